// How somebody is, as a dot with a name.

export function Dot({ status }: { status: string }) {
  return <span class={`dot ${status}`} data-testid="dot" role="img" aria-label={status} title={status} />;
}
