// What a message says, as plain text.

import type { Entry } from '../sdk/frames';

const CALLS: Record<string, string> = {
  answered: 'Call',
  missed: 'Missed call',
  declined: 'Declined call',
  busy: 'Call: busy',
  cancelled: 'Cancelled call',
  failed: 'Failed call',
};

export function wordsOf({ kind, content }: Pick<Entry, 'kind' | 'content'>): string {
  const { title, body, text = '', fallback, outcome } = content ?? {};
  for (const _ in content) {
    switch (kind) {
      case 'notice':
        // Older notices have a text.
        return [title, body ?? text].filter(Boolean).join('\n');
      case 'card':
        return String(fallback ?? '');
      case 'encrypted':
        return 'Encrypted message';
      case 'call':
        return outcome === undefined ? 'Call' : (CALLS[outcome] ?? 'Call');
    }
    return String(text);
  }
  return '';
}
