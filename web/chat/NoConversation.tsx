// Why there is no conversation to show where an address leads.

import type { Session } from './session';

export function NoConversation({ session, id }: { session: Session; id: string }) {
  const notice = session.notices.value.find((one) => one.id === id);
  return (
    <>
      <p role="status" data-testid="no-conversation">
        {notice?.text ?? 'This conversation is not there, or you are not a member of it.'}
      </p>
      <button
        type="button"
        class="plain"
        onClick={() => {
          session.dismiss(id);
          session.open.value = undefined;
        }}
      >
        To the list
      </button>
    </>
  );
}
