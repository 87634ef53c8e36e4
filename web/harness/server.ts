// The all-in-one binary, which can be killed and come back at the same address.

import { join } from 'node:path';
import { end, startListening } from './children';

/** The harness itself asks from there: its questions are in no limit. */
export const OWN_ADDRESS = '127.0.0.2';

/** Low rates, so that refusals for now happen, and limits by address that do not stand in the way. */
const SETTINGS = {
  TIDINGS__ADMISSION__EXEMPT_NETWORKS: `["${OWN_ADDRESS}/32"]`,
  TIDINGS__ADMISSION__ADDRESS_SOCKETS: '10000',
  TIDINGS__ADMISSION__ADDRESS_ARRIVALS: '100000',
  TIDINGS__ADMISSION__ADDRESS_REQUESTS: '1000',
  TIDINGS__ADMISSION__USER_FRAMES: '20',
  TIDINGS__ADMISSION__USER_FRAMES_SECS: '2',
  TIDINGS__ADMISSION__USER_READS: '1',
  TIDINGS__LIMITS__IN_FLIGHT: '4',
  TIDINGS__LIMITS__DRAIN_WINDOW_MS: '300',
};

export class Server {
  private constructor(
    private readonly binary: string,
    private readonly folder: string,
    private child: Awaited<ReturnType<typeof startListening>>['child'],
    /** `host:port` of clients. */
    readonly address: string,
    private readonly management: string,
    readonly secret: string,
  ) {}

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
    const env = { ...SETTINGS, TIDINGS__AUTH__HS256_SECRET: secret };
    return startListening(binary, args, { env, log: join(folder, 'server.log') });
  }

  /** Ends it by this signal and starts it again; what shows it. */
  async restart(signal: 'SIGKILL' | 'SIGTERM'): Promise<string> {
    const { pid } = this.child;
    await end(this.child, signal);
    const again = await Server.launch(this.binary, this.folder, this.secret, this.address, this.management);
    this.child = again.child;
    return `pid ${pid} is gone, pid ${again.child.pid} serves`;
  }

  stop(): Promise<void> {
    return end(this.child, 'SIGTERM');
  }
}
