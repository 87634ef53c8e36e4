// `fleet proxy` between the clients and the servers: one link for each person, so that one can be offline while
// the others are not.

import { end, type Listening, startListening } from './children';

export type Fault =
  | { fault: 'pass' | 'half_open' | 'refuse' | 'reset' | 'cut' | 'seen' }
  | { fault: 'delay'; ms: number; jitter_ms: number }
  | { fault: 'throttle'; bytes_per_second: number }
  | { fault: 'truncate'; way: 'up' | 'down'; after_bytes: number };

/** What a link has seen; counts never go back. */
export interface Counts {
  open: number;
  accepted: number;
  broken: number;
  held: number;
}

interface Answer {
  links?: Record<string, Counts>;
  error?: string;
}

export class FaultProxy {
  private readonly answers: ((answer: Answer) => void)[] = [];

  private constructor(private readonly running: Listening) {
    running.onLine = (line) => this.answers.shift()?.(JSON.parse(line) as Answer);
  }

  /** `links`: by name, where each leads to. */
  static async start(fleet: string, links: Map<string, string>, log: string): Promise<FaultProxy> {
    const args = [...links].flatMap(([name, upstream]) => ['--link', `${name}=127.0.0.1:0,${upstream}`]);
    return new FaultProxy(await startListening(fleet, ['proxy', ...args], { log }));
  }

  address(link: string): string {
    const address = this.running.addresses.get(link);
    if (!address) throw new Error(`no link ${link}`);
    return address;
  }

  /** Does it, on one link or on all; answers what the link has seen. */
  async set(fault: Fault, link?: string): Promise<Counts> {
    const answered = new Promise<Answer>((resolve) => this.answers.push(resolve));
    this.running.child.stdin?.write(`${JSON.stringify(link ? { link, ...fault } : fault)}\n`);
    const { links, error } = await answered;
    const [counts] = Object.values(links ?? {});
    if (!counts) throw new Error(`fleet proxy: ${error}`);
    return counts;
  }

  stop(): Promise<void> {
    return end(this.running.child, 'SIGTERM');
  }
}
