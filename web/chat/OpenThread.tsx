// One conversation: its messages, who is writing, and the field to write in.

import type { Conversation } from '../sdk/rest';
import { asking } from './asking';
import { Composer } from './Composer';
import { Dot } from './Dot';
import { focusSoon } from './focus';
import { OtherDraft } from './OtherDraft';
import { Dialogs, Members, PinLine, ThreadPanel } from './panels';
import type { Session } from './session';
import { useSignal } from './signals';
import { Timeline } from './Timeline';
import { openThread } from './threading';
import { writing } from './typing';

export function OpenThread({ session, conversation }: { session: Session; conversation: Conversation }) {
  const showsMembers = useSignal(false);
  const peer = session.peer(conversation);
  const writers = writing(session.typing.in(conversation.id), (user) => session.nameOf(user));
  return (
    <section class="thread" aria-label={session.title(conversation)}>
      <header>
        <button
          type="button"
          class="plain back"
          onClick={() => {
            session.open.value = undefined;
          }}
        >
          ‹ Back
        </button>
        <h2 tabIndex={-1}>
          {peer && <Dot status={session.statusOf(peer)} />}
          <bdi>{session.title(conversation)}</bdi>
        </h2>
        {conversation.kind === 'group' && (
          <button
            type="button"
            class="plain show-members"
            aria-expanded={showsMembers.value}
            onClick={() => {
              showsMembers.value = !showsMembers.value;
            }}
          >
            {conversation.member_count} members
          </button>
        )}
      </header>
      {showsMembers.value && (
        <Members
          session={session}
          conversation={conversation}
          onClose={() => {
            showsMembers.value = false;
            focusSoon('.show-members');
          }}
        />
      )}
      {session.hasClient.value && <PinLine session={session} conversation={conversation} />}
      {conversation.receipts === false && (
        <p class="receipts-off" data-testid="receipts-off">
          This conversation is large: nobody is told who has read it or who is writing.
        </p>
      )}
      <Timeline session={session} conversation={conversation} />
      <p class="typing" aria-live="polite" data-testid="typing">
        {writers}
      </p>
      <p class="problem" role="alert">
        {session.problem.value}
      </p>
      <OtherDraft session={session} id={conversation.id} />
      <Composer
        session={session}
        conversation={conversation}
        onLeave={() => {
          session.open.value = undefined;
        }}
      />
      {openThread.value?.id === conversation.id && (
        <ThreadPanel
          key={openThread.value.seq}
          session={session}
          conversation={conversation}
          open={openThread.value}
        />
      )}
      {asking.value && <Dialogs session={session} asked={asking.value} />}
    </section>
  );
}
