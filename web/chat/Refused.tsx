// Texts that the server has refused for good: they stay, with the reason, until their writer decides.

import type { Refused as RefusedText } from '../sdk/types';
import { copy } from './copy';
import { Text } from './Message';
import type { Session } from './session';

/** Below the messages of a conversation. */
export function Refused({ session, refused }: { session: Session; refused: RefusedText }) {
  return (
    <li class="message mine starts ends refused" data-testid="refused">
      <Details session={session} refused={refused} canSend />
    </li>
  );
}

/** Of conversations that are not there any more: their writer was removed meanwhile, or they never began. */
export function RefusedElsewhere({ session }: { session: Session }) {
  if (!session.conversations.isLoaded.value) return null;
  const homeless = session.refused.value.filter(
    ({ operation: { conversation_id } }) => !conversation_id || !session.conversations.get(conversation_id),
  );
  if (homeless.length === 0) return null;
  return (
    <section class="refused-elsewhere" aria-label="Texts that were not sent">
      <ul>
        {homeless.map((refused) => (
          <li key={refused.operation.client_id} class="refused" data-testid="refused">
            <Details session={session} refused={refused} canSend={false} />
          </li>
        ))}
      </ul>
    </section>
  );
}

interface DetailsProps {
  session: Session;
  refused: RefusedText;
  canSend: boolean;
}

function Details({ session, refused: { operation, error }, canSend }: DetailsProps) {
  const text = String(operation.content?.text ?? '');
  return (
    <>
      <Text text={text} />
      <small class="problem">Not sent: {error.message}</small>
      <span class="actions">
        {canSend && (
          <button type="button" class="plain" onClick={() => session.resend(operation.client_id)}>
            Send again
          </button>
        )}
        <button type="button" class="plain" onClick={() => void copy(text)}>
          Copy
        </button>
        <button type="button" class="plain" onClick={() => session.discard(operation.client_id)}>
          Discard
        </button>
      </span>
    </>
  );
}
