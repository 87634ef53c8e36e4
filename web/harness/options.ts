// What a run is asked to do.

import { parseArgs } from 'node:util';

export const HELP = `Runs clients of the SDK in processes of their own while networks, tabs and the server fail, and
lets \`fleet check\` judge what they wrote, were answered and were shown.

  --binaries FOLDER  with fleet, and with tidings or the services unless --url is given
  --cluster          a cluster of its own on the real backends instead of an all-in-one; needs \`cluster\` and the services
  --url ws://…       a server that runs, several times for several gateways; else an all-in-one of its own
  --secret TEXT      what signs its tokens
  --history FILE     where the history goes
  --seconds N        faults for so long instead of each once; SIGINT ends them earlier
  --seed N           repeats a schedule
  --planted BUG      clients with this bug: ${'`'}late-answer-wins${'`'}, ${'`'}retry-out-of-order${'`'}, ${'`'}storage-overwritten${'`'}, ${'`'}sync-not-asked-again${'`'}`;

export interface RunOptions {
  binaries: string;
  urls: string[];
  isCluster: boolean;
  secret: string;
  history?: string;
  /** Nothing: each fault once. */
  seconds?: number;
  seed: number;
  planted?: string;
}

export function readOptions(args: string[]): RunOptions {
  const { values } = parseArgs({
    args,
    options: {
      binaries: { type: 'string', default: new URL('../../../target/debug', import.meta.url).pathname },
      cluster: { type: 'boolean', default: false },
      url: { type: 'string', multiple: true, default: [] },
      secret: { type: 'string', default: 'a secret of 32 bytes or more for the harness' },
      history: { type: 'string' },
      seconds: { type: 'string' },
      seed: { type: 'string' },
      planted: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    console.log(HELP);
    process.exit(0);
  }
  return {
    binaries: values.binaries,
    urls: values.url,
    isCluster: values.cluster,
    secret: values.secret,
    history: values.history,
    seconds: values.seconds === undefined ? undefined : Number(values.seconds),
    seed: values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed),
    planted: values.planted,
  };
}
