// A card of a bot: what it says in parts, and its actions. A press goes to the bot, which answers as it sees fit.

import type { Entry } from '../sdk/frames';
import { Text } from './Message';
import type { Session } from './session';
import { useSignal } from './signals';

interface Field {
  name: string;
  value: string;
}

interface Action {
  id: string;
  label: string;
  style?: 'primary' | 'danger';
}

/** The content of an entry of kind `card`, which the server has checked. */
export interface CardContent {
  title?: string;
  text?: string;
  fields?: Field[];
  actions?: Action[];
}

interface CardProps {
  session: Session;
  entry: Entry;
  card: CardContent;
}

export function Card({ session, entry, card }: CardProps) {
  const { title, text, fields = [], actions = [] } = card;
  return (
    <div class="card" data-testid="card">
      {title && (
        <p dir="auto">
          <strong>{title}</strong>
        </p>
      )}
      {text && <Text text={text} />}
      {fields.length > 0 && (
        <dl>
          {fields.map(({ name, value }, at) => (
            <div key={at}>
              <dt dir="auto">{name}</dt>
              <dd dir="auto">{value}</dd>
            </div>
          ))}
        </dl>
      )}
      {/* Only cards of bots can be pressed. */}
      {entry.sender.type === 'bot' && actions.length > 0 && (
        <Actions session={session} entry={entry} actions={actions} />
      )}
    </div>
  );
}

function Actions({ session, entry, actions }: { session: Session; entry: Entry; actions: Action[] }) {
  /** The action that is on its way to the server. */
  const sending = useSignal('');
  const told = useSignal('');
  const press = ({ id, label }: Action) => {
    if (sending.value) return;
    sending.value = id;
    told.value = '';
    session.problem.value = '';
    const { conversation_id, seq, sender } = entry;
    session.plan((client) => {
      const act = client.act({ conversation_id, seq, bot: sender.id, action_id: id });
      const end = (words: string) => {
        sending.value = '';
        told.value = words;
      };
      // A refusal is told by the session.
      act.stored.then(
        () => end(`${label}: sent`),
        () => end(''),
      );
    });
  };
  return (
    <>
      <span class="actions">
        {actions.map((action) => (
          <button
            key={action.id}
            type="button"
            class={action.style}
            aria-disabled={sending.value !== ''}
            onClick={() => press(action)}
          >
            <bdi>{action.label}</bdi>
          </button>
        ))}
      </span>
      <small role="status" data-testid="pressed">
        {sending.value ? 'sending…' : told.value}
      </small>
    </>
  );
}
