// What is pinned in the open conversation: the newest of it in a line that leads to it, and a list of all.

// What it has of the conversation comes from there.
import './OpenThread';
import { useEffect } from 'preact/hooks';
import { Pins } from '../sdk/pins';
import type { Conversation } from '../sdk/rest';
import { wordsNow } from './changed';
import { focusSoon } from './focus';
import { PinList } from './panels';
import styles from './pins.css?inline';
import type { Session } from './session';
import { useSignal } from './signals';

document.head.append(Object.assign(document.createElement('style'), { textContent: styles }));

export function PinLine({ session, conversation }: { session: Session; conversation: Conversation }) {
  const { id } = conversation;
  const isOpen = useSignal(false);
  useEffect(() => {
    let pins: Pins | undefined;
    let hasEnded = false;
    session.plan((client) => {
      if (hasEnded) return;
      pins = new Pins(client, id, () => {
        const list = pins?.list ?? [];
        for (const { entry } of list) session.people.called(entry.sender.id, entry.sender.name);
        session.pins.value = list;
      });
    });
    return () => {
      hasEnded = true;
      pins?.end();
      session.pins.value = [];
    };
  }, [session, id]);
  const list = session.pins.value;
  const [newest] = list;
  if (!newest) return null;
  const { entry } = newest;
  return (
    <>
      <section class="pinned" aria-label="Pinned messages">
        <button type="button" class="plain" data-testid="pinned" onClick={() => session.lead(id, entry.seq)}>
          <span class="for-ears">Pinned: </span>
          <b>
            <bdi>{session.nameOf(entry.sender.id)}</bdi>
          </b>{' '}
          <span dir="auto">{wordsNow(session, entry).slice(0, 200)}</span>
        </button>
        <button
          type="button"
          class="plain all-pins"
          aria-expanded={isOpen.value}
          onClick={() => {
            isOpen.value = !isOpen.value;
          }}
        >
          {list.length} pinned
        </button>
      </section>
      {isOpen.value && (
        <PinList
          session={session}
          conversation={conversation}
          onClose={() => {
            isOpen.value = false;
            focusSoon('.all-pins', '.thread h2');
          }}
        />
      )}
    </>
  );
}
