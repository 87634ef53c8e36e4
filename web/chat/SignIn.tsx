// Signing in: by name where development tokens are on, else with a token.

import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { Rest } from '../sdk/rest';
import { signIn, signInProblem } from './account';

export function SignIn() {
  const byName = useSignal<boolean | undefined>(undefined);
  const text = useSignal('');

  useEffect(() => {
    new Rest()
      .meta()
      .then((meta) => {
        byName.value = meta.dev_tokens;
      })
      .catch(() => {
        signInProblem.value = 'The server does not answer.';
      });
  }, [byName]);

  const submit = async (event: Event) => {
    event.preventDefault();
    const entered = text.value.trim();
    try {
      if (!byName.value) return await signIn(entered);
      const id = entered
        .toLowerCase()
        .replaceAll(/[^a-z0-9._@:+-]+/g, '-')
        .slice(0, 64);
      const { token } = await new Rest().devToken(id, entered);
      await signIn(token);
    } catch (error) {
      signInProblem.value = error instanceof Error ? error.message : 'That did not work.';
    }
  };

  return (
    <form class="sign-in" onSubmit={submit}>
      <h1>Tidings</h1>
      {byName.value === false ? (
        <p>Paste a token of yours to sign in.</p>
      ) : (
        <p>Sign in with any name. Open a second window to write to yourself.</p>
      )}
      <label for="sign-in">{byName.value === false ? 'Token' : 'Your name'}</label>
      <input
        id="sign-in"
        data-testid="name"
        autocomplete="username"
        maxLength={byName.value === false ? 8192 : 64}
        value={text.value}
        onInput={(event) => {
          text.value = event.currentTarget.value;
        }}
        autofocus
        required
      />
      <button type="submit" disabled={byName.value === undefined}>
        Sign in
      </button>
      <p class="problem" role="alert">
        {signInProblem.value}
      </p>
    </form>
  );
}
