// Whether this browser is told of messages while no page is open: a button, by which alone the browser asks the user.

import { useEffect } from 'preact/hooks';
import type { Session } from './session';
import { useSignal } from './signals';
import { type PushState, refresh, stateOf, thisBrowser, turnOff, turnOn } from './web_push';

const LABELS: Record<PushState, string> = {
  unsupported: 'This server tells browsers nothing',
  blocked: 'Notifications are blocked in this browser',
  off: 'Turn on notifications',
  on: 'Turn off notifications',
};

export function Notifications({ session }: { session: Session }) {
  const state = useSignal<PushState | undefined>(undefined);
  const isBusy = useSignal(false);
  const problem = useSignal('');

  useEffect(() => {
    const browser = thisBrowser();
    const look = async () => {
      const rest = await session.api();
      const { web_push_key: key } = await rest.pushDevices();
      state.value = key ? await stateOf(browser) : 'unsupported';
      await refresh(rest, browser);
    };
    // A server that is away is asked at the next start.
    look().catch(() => {});
  }, [session, state]);

  const change = async () => {
    isBusy.value = true;
    problem.value = '';
    try {
      const turn = state.value === 'on' ? turnOff : turnOn;
      state.value = await turn(await session.api(), thisBrowser());
    } catch (error) {
      problem.value = error instanceof Error ? error.message : 'That did not work.';
    }
    isBusy.value = false;
  };

  if (!state.value) return null;
  const isFixed = state.value === 'blocked' || state.value === 'unsupported';
  return (
    <div class="notifications" data-testid="notifications">
      <button type="button" class="plain" disabled={isBusy.value || isFixed} onClick={() => void change()}>
        {LABELS[state.value]}
      </button>
      {problem.value && (
        <p class="problem" role="alert">
          {problem.value}
        </p>
      )}
    </div>
  );
}
