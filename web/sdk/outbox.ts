// Operations that are not answered yet. Kept until they are, and sent again with the same client id.

import type { Operation } from './types';

export class Outbox {
  private operations: Operation[];

  constructor(
    private readonly storage: Storage,
    private readonly key: string,
  ) {
    try {
      this.operations = JSON.parse(storage.getItem(key) ?? '[]');
    } catch {
      this.operations = [];
    }
  }

  /** Oldest first. */
  all(): readonly Operation[] {
    return this.operations;
  }

  add(operation: Operation): void {
    this.operations = [...this.operations, operation];
    this.save();
  }

  /** Takes an answered operation out. */
  settle(clientId: string): Operation | undefined {
    const settled = this.operations.find((operation) => operation.client_id === clientId);
    this.operations = this.operations.filter((operation) => operation !== settled);
    this.save();
    return settled;
  }

  private save(): void {
    this.storage.setItem(this.key, JSON.stringify(this.operations));
  }
}
