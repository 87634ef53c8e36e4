// What is written now: above the field, with a way out.

import { wordsNow } from './changed';
import type { Composing } from './composing';
import type { Session } from './session';

const MOST_CHARACTERS = 120;

interface ComposerBarProps {
  session: Session;
  composing: Composing;
  onCancel: () => void;
}

export function ComposerBar({ session, composing: { as, entry }, onCancel }: ComposerBarProps) {
  const { id } = entry.sender;
  return (
    <p class="composer-bar" role="status" data-testid="composing">
      <span class="what">
        {as === 'edit' ? (
          'Editing your message'
        ) : (
          <>
            Answer to <bdi>{id === session.userId ? 'yourself' : session.nameOf(id)}</bdi>
          </>
        )}
        <span class="for-ears">: </span>{' '}
        <span class="words" dir="auto">
          {wordsNow(session, entry).slice(0, MOST_CHARACTERS)}
        </span>
      </span>
      <button
        type="button"
        class="plain"
        aria-label={as === 'edit' ? 'Stop editing' : 'Do not answer'}
        onClick={onCancel}
      >
        ×
      </button>
    </p>
  );
}
