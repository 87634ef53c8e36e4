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
  declare readonly status: number;
  declare readonly retryAfterMs?: number;
  declare readonly stored?: 'no' | 'unknown';
  declare readonly limit?: string;
  constructor(answer: Pick<RestError, 'status' | 'code' | 'message' | 'retryAfterMs' | 'stored' | 'limit'>) {
    super(answer.code, answer.message);
    Object.assign(this, answer);
  }
}
