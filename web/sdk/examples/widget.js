// A chat with one person in any element of a page:
// chatWidget(document.querySelector('#chat'), { url: 'wss://chat.example.org/ws', token, to: 'support' });

import { Client } from '@tidings/client';

export function chatWidget(element, { url, token, to }) {
  element.innerHTML = `<ol role="log"></ol><form><input aria-label="Message" autocomplete="off">
    <button>Send</button> <span role="status"></span></form>`;
  const [list, form, state] = ['ol', 'form', 'span'].map((name) => element.querySelector(name));
  const client = new Client({ url, token, storage: localStorage });
  const rows = new Map();
  let conversation;

  /** One row for each message, from the moment it is written. */
  function show(id, text, mark = '') {
    const row = rows.get(id) ?? list.appendChild(document.createElement('li'));
    rows.set(id, row);
    row.textContent = `${text} ${mark}`;
    row.scrollIntoView({ block: 'nearest' });
  }

  client.on('state', (now) => {
    state.textContent = now === 'online' ? '' : now;
  });
  client.on('entry', ({ conversation_id, client_id, id, kind, seq, sender, content }) => {
    if (conversation_id !== conversation || kind !== 'text') return;
    show(client_id ?? id, `${sender.name ?? sender.id}: ${content.text}`);
    client.read(conversation_id, seq);
  });
  client.on('refused', ({ client_id, content }, error) => show(client_id, content.text, `(${error.message})`));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const [input] = form.elements;
    const { clientId } = client.send({ conversation_id: conversation, content: { text: input.value } });
    show(clientId, `${client.userId}: ${input.value}`, '(sending)');
    input.value = '';
  });

  client.rest.create('direct', [to]).then(({ id }) => {
    conversation = id;
    return client.connect();
  });
  return client;
}
