// A balancer of connections as small as one can be: the next one in turn that answers.

import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export class Balancer {
  private turn = 0;
  private readonly open = new Set<Socket>();

  private constructor(
    private readonly upstreams: string[],
    private readonly server: Server,
    /** `host:port` of clients. */
    readonly address: string,
  ) {
    server.on('connection', (client) => this.join(client, this.turn++, upstreams.length));
  }

  static async start(upstreams: string[]): Promise<Balancer> {
    const server = createServer({ pauseOnConnect: true });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new Balancer(upstreams, server, `127.0.0.1:${(server.address() as AddressInfo).port}`);
  }

  stop(): void {
    this.server.close();
    for (const socket of this.open) socket.destroy();
  }

  /** Leads a client to the upstream whose turn it is, or to the next one that takes it. */
  private join(client: Socket, turn: number, attempts: number): void {
    const [host, port] = (this.upstreams[turn % this.upstreams.length] ?? '').split(':');
    const upstream = connect(Number(port), host);
    let isJoined = false;
    upstream.once('connect', () => {
      isJoined = true;
      for (const socket of [client, upstream]) this.open.add(socket);
      client.pipe(upstream);
      upstream.pipe(client);
      client.resume();
    });
    upstream.once('close', () => {
      this.open.delete(upstream);
      if (isJoined || attempts <= 1 || client.destroyed) client.destroy();
      else this.join(client, turn + 1, attempts - 1);
    });
    client.once('close', () => {
      this.open.delete(client);
      upstream.destroy();
    });
    // What matters is the end that follows.
    for (const socket of [client, upstream]) socket.on('error', () => undefined);
  }
}
