// What an entry is for those who count, list and show it: by the same rules as the server's.

import type { MessageState } from './fold';
import type { Content, Entry } from './frames';

/** Kinds that count as unread, stand in lists and decide their order. */
const MESSAGES = ['text', 'card', 'encrypted', 'notice', 'call'];

export function isMessage({ kind }: Pick<Entry, 'kind'>): boolean {
  return MESSAGES.includes(kind);
}

/** Its content is not for this device, or not any more: it is neither shown nor counted. */
export function isBlank({ content }: Pick<Entry, 'content'>): boolean {
  for (const _ in content) return false;
  return true;
}

/** What a message says now, by its state: `{}` where it is gone, or not for this device. */
export function contentOf(
  entry: Pick<Entry, 'content'>,
  state?: Pick<MessageState, 'content' | 'gone'>,
): Content {
  return state?.gone || isBlank(entry) ? {} : (state?.content ?? entry.content);
}

/** Takes from an entry what the server takes from it for a device that may not see it. */
export function blank(entry: Entry): void {
  entry.content = {};
  delete entry.mentions;
  delete entry.extra;
  delete entry.reply_to;
}

/** Stands among all messages, and not in its thread alone. */
export function isInMain({ thread, also_in_main }: Pick<Entry, 'thread' | 'also_in_main'>): boolean {
  return thread === undefined || also_in_main === true;
}

/** Stands in lists and decides their order, which a reply in a thread alone does not. */
export function isListed(entry: Entry): boolean {
  return isMessage(entry) && isInMain(entry);
}

/** Counts as unread for this user, as long as it was not read. */
export function counts(entry: Entry, userId: string): boolean {
  return isListed(entry) && entry.sender.id !== userId && !isBlank(entry);
}

/** The newest message of a conversation as a list tells it. Undefined: none of its newest entries is one. */
export function newestMessage({
  last_entry,
  last_message,
}: {
  last_entry?: Entry;
  last_message?: Entry;
}): Entry | undefined {
  return last_entry && isListed(last_entry) ? last_entry : last_message;
}
