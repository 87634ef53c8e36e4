// How a message was written, and what it said after each edit.

import { useEffect } from 'preact/hooks';
import type { Entry } from '../sdk/frames';
import { momentOf } from './formats';
import type { Session } from './session';
import { useSignal } from './signals';
import { wordsOf } from './words';

export function History({
  session,
  entry: { conversation_id, seq, kind },
}: {
  session: Session;
  entry: Entry;
}) {
  const versions = useSignal<readonly Entry[] | undefined>(undefined);
  const problem = useSignal('');
  useEffect(() => {
    session
      .api()
      .then((rest) => rest.history(conversation_id, seq))
      .then(
        ({ entries }) => {
          versions.value = entries;
        },
        (error: Error) => {
          problem.value = error.message;
        },
      );
  }, [session, conversation_id, seq]);
  return (
    <>
      {!versions.value && !problem.value && <p role="status">Loading…</p>}
      <p class="problem" role="alert">
        {problem.value}
      </p>
      <ol class="versions">
        {versions.value?.map((version) => (
          <li key={version.seq}>
            <small>{momentOf(version.timestamp)}</small>
            <p class="words" dir="auto">
              {wordsOf({ kind, content: version.seq === seq ? version.content : version.content?.content })}
            </p>
          </li>
        ))}
      </ol>
    </>
  );
}
