// The programs that a run starts: waits for the line that says where they listen, and ends them by their own pid.

import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const START_MS = 60_000;

export interface Listening {
  child: ChildProcess;
  /** By name, such as `http`. */
  addresses: Map<string, string>;
  /** Each further line. */
  onLine?: (line: string) => void;
}

/** Starts a program that prints `listening name=address …`; what it writes to its standard error goes to `log`. */
export function startListening(
  path: string,
  args: string[],
  { env = {}, log }: { env?: Record<string, string>; log: string },
): Promise<Listening> {
  const child = spawn(path, args, { env: { PATH: process.env.PATH ?? '', ...env }, stdio: 'pipe' });
  child.stderr.on('data', (text) => appendFileSync(log, text));
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${path} did not start: see ${log}`)), START_MS);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${path} ended with ${code}: see ${log}`)));
    let listening: Listening | undefined;
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (listening) {
        listening.onLine?.(line);
      } else if (line.startsWith('listening ')) {
        clearTimeout(late);
        const pairs = line.split(' ').slice(1);
        const addresses = new Map(pairs.map((pair) => pair.split('=') as [string, string]));
        listening = { child, addresses };
        resolve(listening);
      }
    });
  });
}

/** Ends a program and waits until it is gone. */
export async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await gone;
}
