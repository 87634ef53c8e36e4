// All places for one's own devices are taken: one of them is ended here, and this one comes in.

import { useEffect } from 'preact/hooks';
import type { Session as Device } from '../sdk/rest';
import { clock } from './formats';
import type { Session } from './session';
import { useSignal } from './signals';

export function Devices({ session }: { session: Session }) {
  const devices = useSignal<readonly Device[] | undefined>(undefined);
  const ending = useSignal<string | undefined>(undefined);
  const problem = useSignal('');

  useEffect(() => {
    session
      .api()
      .then((rest) => rest.sessions())
      .then((answer) => {
        devices.value = answer.sessions.sort((a, b) => a.connected_at - b.connected_at);
      })
      .catch((error: Error) => {
        problem.value = error.message;
      });
  }, [session, devices, problem]);

  const end = async (device: Device) => {
    ending.value = device.connection_id;
    try {
      await (await session.api()).endSession(device.connection_id);
      devices.value = devices.value?.filter((one) => one !== device);
      session.reconnect();
    } catch (error) {
      problem.value = error instanceof Error ? error.message : 'That did not work.';
    }
    ending.value = undefined;
  };

  return (
    <section class="banner devices" aria-labelledby="devices" data-testid="devices">
      <h2 id="devices">Too many of your devices are connected</h2>
      <p>End one of them, and this one comes in. What you write meanwhile is kept.</p>
      <ul>
        {devices.value?.map((device) => (
          <li key={device.connection_id}>
            <span>
              {nameOf(device)}, since {clock(device.connected_at)}
              {device.ip && `, from ${device.ip}`}
            </span>
            <button type="button" disabled={ending.value !== undefined} onClick={() => void end(device)}>
              End<span class="for-ears"> {nameOf(device)}</span>
            </button>
          </li>
        ))}
      </ul>
      <p class="problem" role="alert">
        {problem.value}
      </p>
    </section>
  );
}

const BROWSERS: [RegExp, string][] = [
  [/Edg\//, 'Edge'],
  [/Firefox\//, 'Firefox'],
  [/Chrom(e|ium)\//, 'Chrome'],
  [/Safari\//, 'Safari'],
];
const SYSTEMS: [RegExp, string][] = [
  [/Android/, 'Android'],
  [/iPhone|iPad/, 'iOS'],
  [/Windows/, 'Windows'],
  [/Mac OS/, 'macOS'],
  [/Linux/, 'Linux'],
];

/** A device in words, as far as it says what it is. */
export function nameOf({ user_agent, device_type }: Pick<Device, 'user_agent' | 'device_type'>): string {
  const find = (all: [RegExp, string][]) => all.find(([pattern]) => pattern.test(user_agent))?.[1];
  const [browser, system] = [find(BROWSERS), find(SYSTEMS)];
  if (browser) return system ? `${browser} on ${system}` : browser;
  return user_agent.slice(0, 40) || device_type || 'A device';
}
