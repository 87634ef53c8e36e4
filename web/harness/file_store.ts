// Storage that several processes share, as tabs share `localStorage`: one file for each key. A process that is
// killed leaves each key as it was before or after a write, never in between.

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export class FileStore {
  private written = 0;

  constructor(private readonly folder: string) {
    mkdirSync(folder, { recursive: true });
  }

  getItem(key: string): string | null {
    try {
      return readFileSync(this.path(key), 'utf8');
    } catch {
      return null;
    }
  }

  setItem(key: string, value: string): void {
    // Of this process alone, and no key: keys are encoded.
    const draft = join(this.folder, `~${process.pid}.${this.written++}`);
    writeFileSync(draft, value);
    renameSync(draft, this.path(key));
  }

  removeItem(key: string): void {
    rmSync(this.path(key), { force: true });
  }

  keys(prefix: string): string[] {
    const names = readdirSync(this.folder).filter((name) => !name.startsWith('~'));
    return names.map(decodeURIComponent).filter((key) => key.startsWith(prefix));
  }

  private path(key: string): string {
    // `encodeURIComponent` leaves the tilde and the point as they are.
    const name = encodeURIComponent(key).replaceAll('~', '%7E').replace(/^\./, '%2E');
    return join(this.folder, name);
  }
}
