// A field for a user's name or id, with those who are found while it is typed.

import type { RefObject } from 'preact';
import { useRef } from 'preact/hooks';
import type { User } from '../sdk/rest';
import { isComposing, isPlain, rove } from './keys';
import { isUserId } from './names';
import { Picture } from './Picture';
import type { Session } from './session';
import type { Signal } from './signals';

/** After a pause of typing. */
const SEARCH_MS = 150;

export interface Search {
  text: string;
  users: User[];
}

/** Whom a text means: the user of exactly this name or id, or else the id itself. */
export async function find(session: Session, text: string): Promise<User | undefined> {
  const wanted = same(text);
  const { users } = await look(session, text);
  const named = users.filter((user) => same(user.name) === wanted);
  const user = users.find(({ id }) => id === text.trim()) ?? (named.length === 1 ? named[0] : undefined);
  if (user) return user;
  return isUserId(text.trim()) ? { id: text.trim(), name: '', avatar: '' } : undefined;
}

async function look(session: Session, text: string): Promise<{ users: User[] }> {
  const rest = await session.api();
  return rest.search(text.trim()).catch(() => ({ users: [] }));
}

function same(name: string): string {
  return name.normalize('NFC').trim().replaceAll(/\s+/g, ' ').toLowerCase();
}

interface FoundProps {
  session: Session;
  search: Signal<Search>;
  label: string;
  id?: string;
  testid?: string;
  field?: RefObject<HTMLInputElement | null>;
  onChoose: (user: User) => void;
  /** A key that the field itself does not know. */
  onKey?: (event: KeyboardEvent) => void;
}

export function Found({ session, search, label, id, testid, field, onChoose, onKey }: FoundProps) {
  const pause = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const list = useRef<HTMLUListElement>(null);
  const own = useRef<HTMLInputElement>(null);
  const input = field ?? own;

  const type = (text: string) => {
    search.value = { text, users: text ? search.value.users : [] };
    clearTimeout(pause.current);
    if (!text.trim()) return;
    pause.current = setTimeout(async () => {
      const { users } = await look(session, text);
      if (search.value.text !== text) return;
      search.value = { text, users: users.filter((user) => user.id !== session.userId) };
    }, SEARCH_MS);
  };
  const { text, users } = search.value;
  return (
    <div class="found">
      <input
        id={id}
        ref={input}
        data-testid={testid}
        aria-label={id ? undefined : label}
        dir="auto"
        autocomplete="off"
        placeholder="A name or a user id"
        value={text}
        onInput={(event) => type(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (isComposing(event)) return;
          if (event.key === 'ArrowDown' && users.length > 0) {
            event.preventDefault();
            list.current?.querySelector('button')?.focus();
          } else onKey?.(event);
        }}
      />
      {users.length > 0 && (
        <ul
          ref={list}
          aria-label="Found"
          onKeyDown={(event) => {
            if (!isPlain(event, 'Escape')) return rove(event, 'button');
            event.stopPropagation();
            search.value = { text, users: [] };
            input.current?.focus();
          }}
        >
          {users.map((user, at) => (
            <li key={user.id}>
              <button
                type="button"
                class="plain"
                tabIndex={at === 0 ? 0 : -1}
                onClick={() => {
                  input.current?.focus();
                  onChoose(user);
                }}
              >
                <Picture id={user.id} name={user.name} avatar={user.avatar} />
                <span class="who">
                  <bdi>{user.name || user.id}</bdi> <small>{user.id}</small>
                </span>
              </button>
            </li>
          ))}
        </ul>
      )}
      <p class="for-ears" role="status">
        {users.length > 0 ? `${users.length} found` : ''}
      </p>
    </div>
  );
}
