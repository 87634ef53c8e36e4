// The members of a group: who they are, and what one may change.

import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Conversation, Member } from '../sdk/rest';
import { Dot } from './Dot';
import type { Session } from './session';

export function Members({ session, conversation }: { session: Session; conversation: Conversation }) {
  const members = useSignal<Member[]>(conversation.members);
  const typed = useSignal('');
  const title = useSignal(conversation.title);
  const problem = useSignal('');
  const mayChange = conversation.my_role !== 'member';

  useEffect(() => {
    session.rest
      .memberPage(conversation.id, { limit: 1000 })
      .then((page) => {
        members.value = page.members;
      })
      .catch(() => {});
  }, [session, conversation.id, conversation.member_count, members]);

  const run = (change: Promise<unknown>) =>
    change
      .then(() => {
        problem.value = '';
        return session.reload(conversation.id);
      })
      .catch((error: Error) => {
        problem.value = error.message;
      });

  return (
    <aside class="members">
      <ul>
        {members.value.map((member) => (
          <li key={member.user_id}>
            <Dot status={session.statusOf(member.user_id)} />
            {member.name || member.user_id} <small>{member.role === 'member' ? '' : member.role}</small>
            {mayChange && member.user_id !== session.userId && (
              <button
                type="button"
                class="plain"
                onClick={() => run(session.rest.removeMember(conversation.id, member.user_id))}
              >
                Remove
              </button>
            )}
          </li>
        ))}
      </ul>
      {mayChange && (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            const id = typed.value.trim();
            if (id) void run(session.rest.addMembers(conversation.id, [id]));
            typed.value = '';
          }}
        >
          <input
            aria-label="Add a user"
            placeholder="Add a user id"
            value={typed.value}
            onInput={(event) => {
              typed.value = event.currentTarget.value;
            }}
          />
          <button type="submit">Add</button>
        </form>
      )}
      {mayChange && (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void run(session.rest.rename(conversation.id, title.value));
          }}
        >
          <input
            aria-label="Title"
            value={title.value}
            onInput={(event) => {
              title.value = event.currentTarget.value;
            }}
          />
          <button type="submit">Rename</button>
        </form>
      )}
      <button
        type="button"
        class="plain"
        onClick={() => run(session.rest.removeMember(conversation.id, session.userId))}
      >
        Leave the group
      </button>
      <p class="problem" role="alert">
        {problem.value}
      </p>
    </aside>
  );
}
