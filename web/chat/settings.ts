// What the user has set for conversations, on this device or another.

import type { Client } from '../sdk/client';
import { isListed } from '../sdk/kinds';
import type { Own, Values, What } from '../sdk/own';
import type { Conversation } from '../sdk/rest';
import { signal } from './signals';

/** What is set for one conversation. */
export interface Settings {
  mute: Values['mute'] | undefined;
  isArchived: boolean;
  isPinned: boolean;
  isMarkedUnread: boolean;
  /** It is out of the list until its next message. */
  isHidden: boolean;
}

/** It wants no attention now. */
export function isMuted(mute: Settings['mute'], now = Date.now()): boolean {
  return mute !== undefined && (mute.until === null || mute.until > now);
}

export class OwnSettings {
  private own: Own | undefined;
  private client: Client | undefined;
  /** Another number after each change. */
  private readonly version = signal(0);

  /** Follows a client, before its first sync. `changed` is called after each change. */
  follow(client: Client, code: Pick<typeof import('../sdk/own'), 'Own'>, changed: () => void): Own {
    this.client = client;
    this.own = new code.Own(client, () => {
      this.version.value++;
      changed();
    });
    return this.own;
  }

  /** As far as it is known; what is drawn is drawn again after each change. */
  of(conversation: Conversation): Settings {
    this.version.value;
    return this.peek(conversation);
  }

  /** The same for somebody who does not follow it. */
  peek(conversation: Conversation): Settings {
    const { id, own: told, last_entry, last_message } = conversation;
    const { own } = this;
    const get = <Name extends What>(what: Name) => own?.get(what, id);
    const isKnown = own?.isKnown;
    const newest = last_message?.seq ?? (last_entry && isListed(last_entry) ? last_entry.seq : 0);
    const before = isKnown ? get('hidden')?.before_seq : told?.hidden_before;
    return {
      mute: isKnown ? get('mute') : (told?.mute ?? undefined),
      isArchived: (isKnown ? get('archive') : told?.archived) ?? false,
      isPinned: (isKnown ? get('pin') : told?.pinned) ?? false,
      isMarkedUnread: (isKnown ? get('marked_unread') : told?.marked_unread) ?? false,
      isHidden: before !== undefined && newest < before,
    };
  }

  /** What is set for all conversations: undefined until it is known, null where nothing is set. */
  ofAll<Name extends 'push' | 'privacy'>(what: Name): Values[Name] | null | undefined {
    this.version.value;
    return this.own?.isKnown ? (this.own.get(what) ?? null) : undefined;
  }

  setForAll<Name extends 'push' | 'privacy'>(what: Name, value: Values[Name] | null): void {
    this.client?.set({ what, value });
  }

  /** For all devices of the user. */
  set<Name extends What>(id: string, what: Name, value: Values[Name] | null): void {
    this.client?.set({ what, conversation_id: id, value });
  }
}
