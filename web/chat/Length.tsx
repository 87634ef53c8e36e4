// How much more can be written, or how much has to go.

export function Length({ excess, most }: { excess: number; most: number }) {
  return excess > 0
    ? `Too long by ${excess.toLocaleString()} characters: ${most.toLocaleString()} can be sent at once.`
    : `${(-excess).toLocaleString()} characters left.`;
}
