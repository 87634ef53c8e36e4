// What clients of a run talk to, whatever it is made of: an all-in-one, a cluster, or servers that run already.

/** Something that is done to the servers. */
export interface ServerFault {
  name: string;
  target: string;
  /** Does it, and answers what shows it. */
  perform: () => Promise<string>;
}

export interface Servers {
  /** `host:port` where clients connect. */
  addresses: string[];
  /** `host:port` of what answers the questions of the harness itself. */
  asked: string;
  faults: ServerFault[];
  stop(): Promise<void>;
}

/** The harness itself asks from there: its questions are in no limit. */
export const OWN_ADDRESS = '127.0.0.2';

/** Configuration of what speaks to clients: low rates, so that refusals for now happen, and limits by address that do
 * not stand in the way. */
export function settings(prefix: string, secret: string): Record<string, string> {
  const keys = {
    ADMISSION__EXEMPT_NETWORKS: `["${OWN_ADDRESS}/32"]`,
    ADMISSION__ADDRESS_SOCKETS: '10000',
    ADMISSION__ADDRESS_ARRIVALS: '100000',
    ADMISSION__ADDRESS_REQUESTS: '1000',
    ADMISSION__USER_FRAMES: '20',
    ADMISSION__USER_FRAMES_SECS: '2',
    ADMISSION__USER_READS: '1',
    LIMITS__IN_FLIGHT: '4',
    LIMITS__DRAIN_WINDOW_MS: '300',
    AUTH__HS256_SECRET: secret,
  };
  return Object.fromEntries(Object.entries(keys).map(([key, value]) => [prefix + key, value]));
}
