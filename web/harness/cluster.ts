// A cluster of real services on the real backends (`e2e/src/bin/cluster.rs`), whose gateways stand behind a balancer:
// a client that comes back comes back anywhere.

import { join } from 'node:path';
import { Balancer } from './balancer';
import { end, type Listening, startListening } from './children';
import { type ServerFault, type Servers, settings } from './servers';

/** Each process in turn, once by either signal. */
const PROCESSES = ['gateway-0', 'chat-0', 'presence', 'gateway-1', 'chat-1'];

interface Answer {
  evidence?: string;
  error?: string;
}

export class Cluster implements Servers {
  private readonly answers: ((answer: Answer) => void)[] = [];
  readonly faults: ServerFault[];
  readonly addresses: string[];

  private constructor(
    private readonly running: Listening,
    private readonly balancer: Balancer,
    readonly asked: string,
    isShort: boolean,
  ) {
    this.addresses = [balancer.address];
    running.onLine = (line) => this.answers.shift()?.(JSON.parse(line) as Answer);
    // A short run does one thing to each process.
    this.faults = PROCESSES.flatMap((target, at) => {
      const both = [this.fault(target, 'kill', 'KILL'), this.fault(target, 'stop', 'TERM')];
      return isShort ? both.slice(at < 3 ? 0 : 1).slice(0, 1) : both;
    });
  }

  static async start(binaries: string, folder: string, secret: string, isShort: boolean): Promise<Cluster> {
    const set = Object.entries(settings('TIDINGS_GATEWAY__', secret));
    const args = [
      '--label',
      `sdk-${process.pid}`,
      ...set.flatMap(([key, value]) => ['--set', `${key}=${value}`]),
    ];
    const { AMQP_URL, DATABASE_URL, REDIS_URL } = process.env;
    const backends = Object.entries({ AMQP_URL, DATABASE_URL, REDIS_URL });
    const env = Object.fromEntries(
      backends.filter((pair): pair is [string, string] => pair[1] !== undefined),
    );
    const running = await startListening(join(binaries, 'cluster'), args, {
      env,
      log: join(folder, 'cluster.log'),
    });
    const gateways = [...running.addresses.values()];
    const [first = ''] = gateways;
    return new Cluster(running, await Balancer.start(gateways), first, isShort);
  }

  private fault(target: string, name: string, signal: string): ServerFault {
    return {
      name,
      target,
      perform: async () => {
        const answered = new Promise<Answer>((resolve, reject) => {
          this.answers.push(resolve);
          this.running.child.once('exit', (code) => reject(new Error(`the cluster ended with ${code}`)));
        });
        this.running.child.stdin?.write(`restart ${target} ${signal}\n`);
        const { evidence, error } = await answered;
        if (evidence === undefined) throw new Error(`${name} of ${target}: ${error}`);
        return evidence;
      },
    };
  }

  async stop(): Promise<void> {
    this.balancer.stop();
    await end(this.running.child, 'SIGTERM');
  }
}
