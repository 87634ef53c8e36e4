// What is known of people: their names and how they are.

import type { Presence } from '../sdk/frames';
import { type Signal, signal } from './signals';

export type Status = Presence['status'];

export class People {
  private readonly names = new Map<string, Signal<string>>();
  private readonly told = new Set<string>();
  private readonly statuses = new Map<string, Signal<Status>>();

  /** The user id, as long as no name is known. */
  name(user: string): string {
    return this.nameSignal(user).value;
  }

  called(user: string, name: string | undefined): void {
    if (name) this.nameSignal(user).value = name;
  }

  /** Whether it was told how somebody is. */
  knows(user: string): boolean {
    return this.told.has(user);
  }

  status(user: string): Status {
    return this.statusSignal(user).value;
  }

  is(user: string, status: Status): void {
    this.told.add(user);
    this.statusSignal(user).value = status;
  }

  private nameSignal(user: string): Signal<string> {
    let name = this.names.get(user);
    if (!name) {
      name = signal(user);
      this.names.set(user, name);
    }
    return name;
  }

  private statusSignal(user: string): Signal<Status> {
    let status = this.statuses.get(user);
    if (!status) {
      status = signal<Status>('offline');
      this.statuses.set(user, status);
    }
    return status;
  }
}
