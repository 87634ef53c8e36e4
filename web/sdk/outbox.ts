// Operations that are not answered yet. Kept until they are, and sent again with the same client id.

export interface Operation {
  client_id: string;
  conversation_id?: string;
  to?: string;
  content: { text: string };
}

export interface Storage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

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

/** A UUIDv7: ordered by the time it was made. */
export function uuidv7(now = Date.now()): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  for (let i = 0; i < 6; i++) bytes[i] = Math.floor(now / 2 ** (8 * (5 - i))) & 0xff;
  bytes[6] = 0x70 | ((bytes[6] ?? 0) & 0x0f);
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
