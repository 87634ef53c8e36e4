// What is beside the conversations of the list: threads, mentions, privacy, and whether this browser tells of messages.

import { useEffect, useMemo } from 'preact/hooks';
import { focusSoon } from './focus';
import { Notifications, PrivacyDialog, Watched } from './panels';
import { hasPushId } from './push_key';
import type { Session } from './session';
import { useSignal } from './signals';
import { COUNTED_TO, Watching } from './watching';

const LABELS = { threads: 'Threads', mentions: 'Mentions' };
export type What = keyof typeof LABELS;

export function Bar({ session }: { session: Session }) {
  const watching = useMemo(() => new Watching(session), [session]);
  useEffect(() => () => watching.end(), [watching]);
  const opened = useSignal<What | undefined>(undefined);
  const notifying = useSignal(hasPushId());
  const isPrivacyOpen = useSignal(false);
  const open = opened.value;
  const opener = (what: What) => {
    const count = watching[what].value;
    return (
      <button
        type="button"
        class="plain"
        data-testid={`open-${what}`}
        aria-expanded={open === what}
        onClick={() => {
          opened.value = open === what ? undefined : what;
        }}
      >
        {LABELS[what]}
        {count > 0 && (
          <>
            {' '}
            <span class="unread">
              {count < COUNTED_TO ? count : `${COUNTED_TO - 1}+`}
              <span class="for-ears"> unread</span>
            </span>
          </>
        )}
      </button>
    );
  };
  return (
    <>
      {opener('threads')}
      {opener('mentions')}
      <button
        type="button"
        class="plain"
        data-testid="open-privacy"
        onClick={() => {
          isPrivacyOpen.value = true;
        }}
      >
        Privacy
      </button>
      {isPrivacyOpen.value && (
        <PrivacyDialog
          session={session}
          onClose={() => {
            isPrivacyOpen.value = false;
            focusSoon('[data-testid="open-privacy"]');
          }}
        />
      )}
      {'PushManager' in globalThis &&
        (notifying.value ? (
          <Notifications session={session} />
        ) : (
          <button
            type="button"
            class="plain"
            onClick={() => {
              notifying.value = true;
            }}
          >
            Notifications
          </button>
        ))}
      {open && (
        <Watched
          key={open}
          session={session}
          watching={watching}
          what={open}
          title={LABELS[open]}
          onClose={() => {
            opened.value = undefined;
            focusSoon(`[data-testid="open-${open}"]`);
          }}
        />
      )}
    </>
  );
}
