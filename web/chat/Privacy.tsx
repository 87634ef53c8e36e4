// Who may know what of the user and do what with them, and what notifications say: set for all of the user's devices.

import type { Values } from '../sdk/own';
import { Dialog } from './Dialogs';
import type { Session } from './session';

type Privacy = Values['privacy'];
type Audience = NonNullable<Privacy[keyof Privacy]>;

/** `avatar` is left out: the server does not act by it. */
const QUESTIONS: readonly [Exclude<keyof Privacy, 'avatar'>, string][] = [
  ['online', 'See whether you are connected'],
  ['last_seen', 'See when you were last connected'],
  ['receipts', 'See what you have received and read'],
  ['find', 'Find you in a search'],
  ['groups', 'Add you to a group'],
  ['calls', 'Call you'],
];
const AUDIENCES: readonly [Audience, string][] = [
  ['everyone', 'Everybody'],
  ['contacts', 'People you share a conversation with'],
  ['nobody', 'Nobody'],
];
const CONTENTS: readonly [Values['push']['content'] | '', string][] = [
  ['', 'As the server does by default'],
  ['none', 'That there is a message'],
  ['sender', 'Who wrote it'],
  ['full', 'Who wrote it, and its text'],
];

interface ChoiceProps<Value extends string> {
  id: string;
  label: string;
  options: readonly [Value, string][];
  value: Value;
  isKnown: boolean;
  onChoose: (value: Value) => void;
}

function Choice<Value extends string>({ id, label, options, value, isKnown, onChoose }: ChoiceProps<Value>) {
  return (
    <div class="choice">
      <label for={id}>{label}</label>
      <select
        id={id}
        value={value}
        disabled={!isKnown}
        onChange={(event) => onChoose(event.currentTarget.value as Value)}
      >
        {options.map(([name, text]) => (
          <option key={name} value={name} selected={name === value}>
            {text}
          </option>
        ))}
      </select>
    </div>
  );
}

export function PrivacyDialog({ session, onClose }: { session: Session; onClose: () => void }) {
  const { settings } = session;
  const privacy = settings.ofAll('privacy');
  const push = settings.ofAll('push');
  const choose = (name: keyof Privacy, audience: Audience) => {
    const { [name]: _, ...others } = privacy ?? {};
    const next: Privacy = audience === 'everyone' ? others : { ...others, [name]: audience };
    settings.setForAll('privacy', Object.keys(next).length > 0 ? next : null);
  };
  return (
    <Dialog title="Privacy" onClose={onClose}>
      <div class="privacy" data-testid="privacy">
        <h4>Who may</h4>
        {QUESTIONS.map(([name, label]) => (
          <Choice
            key={name}
            id={`privacy-${name}`}
            label={label}
            options={AUDIENCES}
            value={privacy?.[name] ?? 'everyone'}
            isKnown={privacy !== undefined}
            onChoose={(audience) => choose(name, audience)}
          />
        ))}
        <h4>Notifications</h4>
        <Choice
          id="privacy-push"
          label="What they say"
          options={CONTENTS}
          value={push?.content ?? ''}
          isKnown={push !== undefined}
          onChoose={(content) => settings.setForAll('push', content ? { content } : null)}
        />
      </div>
    </Dialog>
  );
}
