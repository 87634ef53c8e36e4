// The logs and states that the server's own fold has made.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { MessageState } from './fold';
import type { Entry } from './frames';
import { isMessage } from './kinds';
import { Messages } from './messages';

interface Case {
  log: Entry[];
  /** By how many entries were folded, then by the seq of the message. */
  states: Record<string, Record<string, MessageState>>;
}

const { cases }: { cases: Case[] } = JSON.parse(
  readFileSync(new URL('../../docs/state.json', import.meta.url), 'utf8'),
);
const plain = (state: MessageState | undefined) => {
  const { as_of: _, reactions = {}, ...rest } = state ?? { as_of: 0 };
  const named = Object.entries(reactions).map(([key, { n, by = [] }]) => [key, n, by]);
  return JSON.parse(JSON.stringify({ ...rest, reactions: named.sort() }));
};

test.each(cases.map(({ log, states }, at) => [at, log, states] as const))(
  'log %i ends in the states of the server, from wherever it is followed',
  (_at, log, states) => {
    expect(Object.keys(states).length).toBeGreaterThan(0);
    for (const [head, wanted] of Object.entries(states)) {
      const entries = log.slice(0, Number(head)).map((entry) => ({ ...entry, id: `id-${entry.seq}` }));
      // At once, one by one, and from its middle back to its beginning.
      for (const step of [entries.length, 1, -7]) {
        const messages = new Messages();
        if (step > 0)
          for (let end = step; end <= entries.length; end += step) messages.follow(entries.slice(0, end));
        else
          for (let first = entries.length - 1; first > -7; first += step)
            messages.follow(entries.slice(Math.max(0, first)));
        for (const { seq, ...entry } of entries)
          if (isMessage(entry))
            expect(plain(messages.get(seq)?.state), `message ${seq} of ${head}`).toEqual(plain(wanted[seq]));
      }
    }
  },
);
