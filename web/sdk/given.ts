// Values of which only those that are given are said.

/** The names and values of those that are there, as text. */
export function given(values: Record<string, string | number | boolean | undefined>): [string, string][] {
  return Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [[name, `${value}`]]));
}
