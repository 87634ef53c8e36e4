// The all-in-one binary, which can be killed and come back at the same address.

import { join } from 'node:path';
import { end, startListening } from './children';
import { type ServerFault, type Servers, settings } from './servers';

export class Server implements Servers {
  readonly faults: ServerFault[] = [
    { name: 'kill', target: 'server', perform: () => this.restart('SIGKILL') },
    { name: 'stop', target: 'server', perform: () => this.restart('SIGTERM') },
  ];

  private constructor(
    private readonly binary: string,
    private readonly folder: string,
    private child: Awaited<ReturnType<typeof startListening>>['child'],
    /** `host:port` of clients. */
    readonly asked: string,
    private readonly management: string,
    private readonly secret: string,
  ) {}

  get addresses(): string[] {
    return [this.asked];
  }

  static async start(binary: string, folder: string, secret: string): Promise<Server> {
    const { child, addresses } = await Server.launch(binary, folder, secret, '127.0.0.1:0', '127.0.0.1:0');
    const address = addresses.get('http') ?? '';
    return new Server(binary, folder, child, address, addresses.get('management') ?? '', secret);
  }

  private static launch(binary: string, folder: string, secret: string, listen: string, management: string) {
    const args = [
      'serve',
      '--listen',
      listen,
      '--management-listen',
      management,
      '--data',
      join(folder, 'data'),
    ];
    return startListening(binary, args, {
      env: settings('TIDINGS__', secret),
      log: join(folder, 'server.log'),
    });
  }

  /** Ends it by this signal and starts it again; what shows it. */
  private async restart(signal: 'SIGKILL' | 'SIGTERM'): Promise<string> {
    const { pid } = this.child;
    await end(this.child, signal);
    const again = await Server.launch(this.binary, this.folder, this.secret, this.asked, this.management);
    this.child = again.child;
    return `pid ${pid} is gone, pid ${again.child.pid} serves`;
  }

  stop(): Promise<void> {
    return end(this.child, 'SIGTERM');
  }
}
