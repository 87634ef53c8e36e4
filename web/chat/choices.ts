// What can be done with a message, in the order of its menu.

import type { MessageState } from '../sdk/fold';
import type { Entry } from '../sdk/frames';
import type { Conversation } from '../sdk/rest';
import { type Asking, asking } from './asking';
import { quote } from './Composer';
import { stateOf, wordsNow } from './changed';
import { edit, reply } from './composing';
import { copy } from './copy';
import { momentOf } from './formats';
import { isPinned, mayPin } from './pinning';
import { namesOf } from './Reactions';
import { addressOf } from './route';
import type { Session } from './session';
import { openThread } from './threading';

export interface Choice {
  label: string;
  run: () => void;
}

/** Own ones, and those of others for who leads a group. */
function mayDelete(session: Session, { sender }: Entry, conversation: Conversation | undefined): boolean {
  if (sender.id === session.userId) return true;
  if (conversation?.kind !== 'group') return false;
  const role = conversation.members.find(({ user_id }) => user_id === sender.id)?.role ?? 'member';
  const { my_role } = conversation;
  return my_role === 'owner' ? role !== 'owner' : my_role === 'admin' && role === 'member';
}

export function choicesOf(session: Session, entry: Entry): Choice[] {
  const { conversation_id, seq, sender, kind } = entry;
  const state = stateOf(session, entry);
  const conversation = session.conversations.get(conversation_id);
  const link = { label: 'Copy link to this message', run: () => void copy(addressOf(conversation_id, seq)) };
  if (state?.gone) return [link];
  const ask = (what: Asking['what']) => () => {
    asking.value = { what, entry };
  };
  const mine = sender.id === session.userId;
  const choices: Choice[] = [
    { label: 'React…', run: ask('react') },
    { label: 'Reply', run: () => reply(entry) },
  ];
  choices.push({
    label: entry.thread === undefined ? 'Reply in thread' : 'Open thread',
    run: () => {
      openThread.value = { id: conversation_id, seq: entry.thread ?? seq };
    },
  });
  if (entry.reply_to !== undefined) {
    const goal = entry.reply_to;
    choices.push({ label: 'Go to what it answers', run: () => session.lead(conversation_id, goal) });
  }
  if (mine && kind === 'text') choices.push({ label: 'Edit', run: () => edit(entry) });
  const text = wordsNow(session, entry);
  choices.push(
    { label: 'Copy text', run: () => void copy(text) },
    { label: 'Quote', run: () => quote(text) },
    link,
  );
  if (conversation && mayPin(conversation)) {
    const on = !isPinned(entry, session.pins.value, session.pending.value);
    choices.push({ label: on ? 'Pin' : 'Unpin', run: () => session.pin(conversation_id, seq, on) });
  }
  if (conversation?.kind === 'group' && !mine) {
    const label = `Write to ${session.nameOf(sender.id)}`;
    choices.push({ label, run: () => session.writeTo(sender.id) });
  }
  if (conversation?.receipts !== false && (mine || conversation?.kind === 'group'))
    choices.push({ label: 'Who has read it…', run: ask('reads') });
  if (state?.edited) choices.push({ label: 'Earlier versions', run: ask('history') });
  if (kind === 'text') choices.push({ label: 'Forward…', run: ask('forward') });
  if (mayDelete(session, entry, conversation)) choices.push({ label: 'Delete…', run: ask('delete') });
  return choices;
}

/** What is said of a message above what can be done with it. */
export function factsOf(session: Session, entry: Entry, detail: string | undefined): string[] {
  const state = stateOf(session, entry);
  const facts = [momentOf(entry.timestamp)];
  if (state?.edited) facts.push(`Edited ${momentOf(state.edited.at)}`);
  if (detail) facts.push(detail);
  return [...facts, ...reactionFacts(session, state)];
}

function reactionFacts(session: Session, state: MessageState | undefined): string[] {
  if (!state) return [];
  return Object.keys(state.reactions ?? {}).map((key) => `${key} ${namesOf(session, state, key)}`);
}
