// What can go wrong, as types: a program decides by `name` and `code`, people read `message`. Those of connections
// and operations are beside it, so that who only asks over REST loads none of them.

export class TidingsError extends Error {
  override readonly name: string = 'TidingsError';
  constructor(
    readonly code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** An answer of the REST API that is none of success; `status` 0 means that there was no answer. */
export class RestError extends TidingsError {
  override readonly name = 'RestError';
  constructor(
    readonly status: number,
    code: string,
    message: string,
    readonly retryAfterMs?: number,
    readonly stored?: 'no' | 'unknown',
    readonly limit?: string,
  ) {
    super(code, message);
  }
}
