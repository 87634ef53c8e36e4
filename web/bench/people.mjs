// People for a measurement, who write over REST.

import { randomUUID } from 'node:crypto';

export class People {
  #tokens = new Map();

  constructor(address) {
    this.at(address);
  }

  /** Where the server is from now on. */
  at(address) {
    this.base = `http://${address}/api/v1`;
  }

  async #ask(path, body, user, method = 'POST') {
    const headers = { 'content-type': 'application/json' };
    if (user) headers.authorization = `Bearer ${await this.token(user)}`;
    for (;;) {
      const answer = await fetch(this.base + path, {
        method,
        headers,
        ...(body && { body: JSON.stringify(body) }),
      });
      const json = answer.status === 204 ? undefined : await answer.json();
      if (answer.ok) return json;
      if (answer.status !== 429 && answer.status !== 503) throw new Error(`${path}: ${JSON.stringify(json)}`);
      await new Promise((resolve) => setTimeout(resolve, json.retry_after_ms ?? 200));
    }
  }

  async token(user) {
    if (!this.#tokens.has(user)) {
      const { token } = await this.#ask('/dev/token', { user, name: user });
      this.#tokens.set(user, token);
    }
    return this.#tokens.get(user);
  }

  /** A new group; its id. */
  async group(owner, members, title) {
    const { id } = await this.#ask(
      '/conversations',
      { kind: 'group', members, title, client_id: randomUUID() },
      owner,
    );
    return id;
  }

  /** A conversation as this user sees it. */
  conversation(user, id) {
    return this.#ask(`/conversations/${id}`, undefined, user, 'GET');
  }

  /** The direct conversation of two; its id. */
  async direct(user, other) {
    const { id } = await this.#ask(
      '/conversations',
      { kind: 'direct', members: [other], client_id: randomUUID() },
      user,
    );
    return id;
  }

  /** The newest messages of a conversation. */
  messages(user, conversation) {
    return this.#ask(`/conversations/${conversation}/messages`, undefined, user, 'GET');
  }

  add(user, conversation, members) {
    return this.#ask(`/conversations/${conversation}/members`, { members, client_id: randomUUID() }, user);
  }

  remove(user, conversation, member) {
    return this.#ask(`/conversations/${conversation}/members/${member}`, undefined, user, 'DELETE');
  }

  /** Ends every session of this user: no token is good any more that was made before. */
  async endSessions(user) {
    await this.#ask('/sessions', undefined, user, 'DELETE');
    this.#tokens.delete(user);
  }

  write(user, conversation, text) {
    const body = { content: { text }, client_id: randomUUID() };
    return this.#ask(`/conversations/${conversation}/messages`, body, user);
  }

  writeTo(user, to, text) {
    return this.#ask('/messages', { to, content: { text }, client_id: randomUUID() }, user);
  }
}

/** Runs all of them, so many at once. */
export async function together(most, all) {
  const rest = all.values();
  const worker = async () => {
    for (const run of rest) await run();
  };
  await Promise.all(Array.from({ length: most }, worker));
}
