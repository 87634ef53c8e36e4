// A planted bug: all operations are in one record, and each tab writes it as it knows it.

import { FileStore as Right } from '../file_store';

const OPERATION = '/operation/';
const RECORD = 'operations';

export class FileStore extends Right {
  /** What this tab knows. */
  private readonly own = new Map<string, string>();

  constructor(folder: string) {
    super(folder);
    for (const [key, value] of this.read()) this.own.set(key, value);
  }

  override getItem(key: string): string | null {
    return key.includes(OPERATION) ? (this.read().get(key) ?? null) : super.getItem(key);
  }

  override setItem(key: string, value: string): void {
    if (key.includes(OPERATION)) {
      this.own.set(key, value);
      this.write();
    } else {
      super.setItem(key, value);
    }
  }

  override removeItem(key: string): void {
    if (key.includes(OPERATION)) {
      this.own.delete(key);
      this.write();
    } else {
      super.removeItem(key);
    }
  }

  override keys(prefix: string): string[] {
    const kept = prefix.includes(OPERATION) ? [...this.read().keys()] : super.keys(prefix);
    return kept.filter((key) => key.startsWith(prefix));
  }

  private read(): Map<string, string> {
    return new Map(JSON.parse(super.getItem(RECORD) ?? '[]') as [string, string][]);
  }

  private write(): void {
    super.setItem(RECORD, JSON.stringify([...this.own]));
  }
}
