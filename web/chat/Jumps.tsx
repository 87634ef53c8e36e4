// Ways out of the middle of a long conversation: to what is new, and to its end.

interface JumpsProps {
  unread: number;
  /** New messages that are not loaded. */
  missing: number;
  isNewAbove: boolean;
  isSkipped: boolean;
  isAtEnd: boolean;
  onNew: () => void;
  onRead: () => void;
  onEnd: () => void;
}

export function Jumps({ unread, missing, isNewAbove, isSkipped, isAtEnd, onNew, onRead, onEnd }: JumpsProps) {
  return (
    <div class="jumps">
      {isNewAbove && (
        <button type="button" data-testid="to-new" onClick={onNew}>
          <span aria-hidden="true">↑</span>{' '}
          {missing > 0 ? `${missing.toLocaleString()} more new above` : 'To the first new message'}
        </button>
      )}
      {isSkipped && (
        <button type="button" data-testid="mark-read" onClick={onRead}>
          <span aria-hidden="true">✓</span> Mark all as read
        </button>
      )}
      {!isAtEnd && (
        <button type="button" data-testid="to-end" onClick={onEnd}>
          <span aria-hidden="true">↓</span>{' '}
          {unread > 0 ? `${unread > 99 ? '99+' : unread} new` : 'To the newest'}
        </button>
      )}
    </div>
  );
}
