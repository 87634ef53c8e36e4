// The members of a group: who they are, and what one may change.

import { useEffect, useRef } from 'preact/hooks';
import type { Conversation, Member, Rest, User } from '../sdk/rest';
import { Dot } from './Dot';
import { Found, find, type Search } from './Found';
import { isPlain, rove } from './keys';
import { Picture } from './Picture';
import type { Session } from './session';
import { useSignal } from './signals';

interface MembersProps {
  session: Session;
  conversation: Conversation;
  onClose: () => void;
}

export function Members({ session, conversation, onClose }: MembersProps) {
  const members = useSignal<Member[]>(conversation.members);
  const title = useSignal(conversation.title);
  const problem = useSignal('');
  const heading = useRef<HTMLHeadingElement>(null);
  const removable = members.value.find((member) => member.user_id !== session.userId);
  const mayChange = conversation.my_role !== 'member';
  const { id } = conversation;

  // Opened to be read from its beginning.
  useEffect(() => heading.current?.focus(), []);
  useEffect(() => {
    session.rest
      .memberPage(id, { limit: 1000 })
      .then((page) => {
        members.value = page.members;
      })
      .catch(() => {});
  }, [session, id, conversation.member_count, members]);

  const run = (change: (rest: Rest) => Promise<unknown>) =>
    session
      .api()
      .then(change)
      .then(() => {
        problem.value = '';
        return session.reload(id);
      })
      .catch((error: Error) => {
        problem.value = error.message;
      });
  const remove = (user: string) => {
    heading.current?.focus();
    void run((rest) => rest.removeMember(id, user));
  };

  return (
    <section
      class="members"
      aria-labelledby="members-title"
      onKeyDown={(event) => {
        if (isPlain(event, 'Escape')) onClose();
      }}
    >
      <header>
        <h3 id="members-title" ref={heading} tabIndex={-1}>
          Members
        </h3>
        <button type="button" class="plain" onClick={onClose}>
          Close
        </button>
      </header>
      <ul onKeyDown={(event) => rove(event, 'li button')} aria-labelledby="members-title">
        {members.value.map((member) => (
          <li key={member.user_id}>
            <Picture id={member.user_id} name={member.name} avatar={member.avatar} />
            <Dot status={session.statusOf(member.user_id)} />
            <span class="who">
              <bdi>{member.name || member.user_id}</bdi>{' '}
              <small>{member.role === 'member' ? '' : member.role}</small>
            </span>
            {mayChange && member.user_id !== session.userId && (
              <button
                type="button"
                class="plain"
                tabIndex={member === removable ? 0 : -1}
                aria-label={`Remove ${member.name || member.user_id}`}
                onClick={() => remove(member.user_id)}
              >
                Remove
              </button>
            )}
          </li>
        ))}
      </ul>
      {mayChange && <Add session={session} onAdd={(user) => run((rest) => rest.addMembers(id, [user]))} />}
      {mayChange && (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void run((rest) => rest.rename(id, title.value));
          }}
        >
          <input
            aria-label="Title"
            dir="auto"
            maxLength={100}
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
        onClick={() => run((rest) => rest.removeMember(id, session.userId))}
      >
        Leave the group
      </button>
      <p class="problem" role="alert">
        {problem.value}
      </p>
    </section>
  );
}

function Add({ session, onAdd }: { session: Session; onAdd: (user: string) => void }) {
  const search = useSignal<Search>({ text: '', users: [] });
  const problem = useSignal('');
  const add = (user: User) => {
    search.value = { text: '', users: [] };
    onAdd(user.id);
  };
  return (
    <form
      onSubmit={async (event) => {
        event.preventDefault();
        const { text } = search.value;
        if (!text.trim()) return;
        const user = await find(session, text);
        problem.value = user ? '' : `Nobody is known as “${text.trim()}”.`;
        if (user) add(user);
      }}
    >
      <Found session={session} search={search} label="Add a user" onChoose={add} />
      <button type="submit">Add</button>
      <p class="problem" role="alert">
        {problem.value}
      </p>
    </form>
  );
}
