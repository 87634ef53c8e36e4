// What the user of the page is asked about a message, in a dialog of its own.

import type { Entry } from '../sdk/frames';
import { signal } from './signals';

export interface Asking {
  what: 'delete' | 'react' | 'forward' | 'history' | 'reads';
  entry: Entry;
}

export const asking = signal<Asking | undefined>(undefined);
