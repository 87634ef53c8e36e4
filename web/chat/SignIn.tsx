// Signing in, by whichever ways the server offers: the operator's own, a name where development tokens are on, or else
// a token.

import { useEffect, useRef } from 'preact/hooks';
import { BasicRest } from '../sdk/basic_rest';
import type { Meta } from '../sdk/rest';
import { signInProblem } from './account';
import { useSignal } from './signals';
import { signInByName, signInByOidc, signInByRedirect, signInByToken } from './signing';

const ASK_AGAIN_MS = 3_000;

export function SignIn() {
  const meta = useSignal<Meta | undefined>(undefined);
  const isBusy = useSignal(false);

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>;
    const away = 'The server does not answer. Trying again…';
    const ask = () =>
      new BasicRest().meta().then(
        (answer) => {
          meta.value = answer;
          if (signInProblem.value === away) signInProblem.value = '';
        },
        () => {
          signInProblem.value = away;
          timer = setTimeout(ask, ASK_AGAIN_MS);
        },
      );
    void ask();
    return () => clearTimeout(timer);
  }, [meta]);

  const run = async (signIn: () => void | Promise<void>) => {
    isBusy.value = true;
    signInProblem.value = '';
    try {
      await signIn();
    } catch (error) {
      signInProblem.value = error instanceof Error ? error.message : 'That did not work.';
    }
    isBusy.value = false;
  };

  const { oidc, redirect_url } = meta.value?.login ?? {};
  return (
    <main class="sign-in">
      <h1>Tidings</h1>
      {oidc && (
        <button
          type="button"
          data-testid="oidc"
          disabled={isBusy.value}
          onClick={() => run(() => signInByOidc(oidc))}
        >
          Sign in with {new URL(oidc.issuer).host}
        </button>
      )}
      {redirect_url && (
        <button
          type="button"
          data-testid="redirect"
          disabled={isBusy.value}
          onClick={() => run(() => signInByRedirect(redirect_url))}
        >
          Sign in at {new URL(redirect_url).host}
        </button>
      )}
      {meta.value?.dev_tokens ? (
        <Field
          label="Your name"
          hint="For trying out: any name will do. To be two people at once, open a private window."
          most={64}
          isBusy={isBusy.value}
          onEnter={(name) => run(() => signInByName(name))}
        />
      ) : (
        meta.value &&
        !oidc &&
        !redirect_url && (
          <Field
            label="Token"
            hint="Paste a token of yours to sign in."
            most={8192}
            isBusy={isBusy.value}
            onEnter={(token) => run(() => signInByToken(token))}
          />
        )
      )}
      <p role="status">{isBusy.value ? 'Signing in…' : ''}</p>
      <p class="problem" role="alert">
        {signInProblem.value}
      </p>
    </main>
  );
}

interface FieldProps {
  label: string;
  hint: string;
  most: number;
  isBusy: boolean;
  onEnter: (text: string) => void;
}

function Field({ label, hint, most, isBusy, onEnter }: FieldProps) {
  const text = useSignal('');
  const input = useRef<HTMLInputElement>(null);
  // Alone on the page: there is nothing else to begin with.
  useEffect(() => input.current?.focus(), []);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (text.value.trim() && !isBusy) onEnter(text.value.trim());
      }}
    >
      <label for="sign-in">{label}</label>
      <input
        id="sign-in"
        ref={input}
        data-testid="name"
        dir="auto"
        autocomplete="username"
        aria-describedby="sign-in-hint"
        maxLength={most}
        value={text.value}
        onInput={(event) => {
          text.value = event.currentTarget.value;
        }}
        required
      />
      <p id="sign-in-hint">{hint}</p>
      <button type="submit" disabled={isBusy}>
        Sign in
      </button>
    </form>
  );
}
