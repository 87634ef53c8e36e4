// What another device wrote in the open conversation while something else was written here: neither is lost.

import type { Session } from './session';

export function OtherDraft({ session, id }: { session: Session; id: string }) {
  const other = session.drafts.other(id);
  if (!other) return null;
  return (
    <p class="notice other-draft" role="status" data-testid="other-draft">
      Written on another device: <q dir="auto">{other.slice(0, 200)}</q>{' '}
      <button type="button" class="plain" onClick={() => session.drafts.swap(id)}>
        Go on with it
      </button>{' '}
      <button type="button" class="plain" onClick={() => session.drafts.dismiss(id)}>
        Dismiss
      </button>
    </p>
  );
}
