import { expect, test } from 'vitest';
import type { Notice } from '../sdk/notices';
import { ofBroadcast, ofNotice } from './announced';

const notice: Notice = {
  id: 'n1',
  seq: 1,
  title: 'Down at nine',
  body: 'For ten minutes.',
  priority: 'high',
  display: 'user',
  at: 5,
};

test('a notice is shown with what it offers, unless that is no address', () => {
  const shown = (url: string) =>
    ofNotice({ ...notice, action: { label: 'Status', url } }, 'https://chat.test/x');
  expect(ofNotice(notice, 'https://chat.test')).toEqual({
    id: 'n1',
    title: 'Down at nine',
    body: 'For ten minutes.',
    at: 5,
    isUrgent: true,
    isKept: true,
  });
  expect(shown('/status').action).toEqual({ label: 'Status', href: 'https://chat.test/status' });
  expect(shown('https://status.test/').action?.href).toBe('https://status.test/');
  expect(shown('javascript:alert(1)').action).toBeUndefined();
});

test('a broadcast says its text, and nothing is told of it', () => {
  const broadcast = { type: 'notice' as const, id: 'b1', content: { text: 'hello' }, timestamp: 7 };
  expect(ofBroadcast(broadcast)).toMatchObject({ body: 'hello', at: 7, isKept: false });
  expect(ofBroadcast({ ...broadcast, content: { title: 'T', body: 'B' } })).toMatchObject({
    title: 'T',
    body: 'B',
  });
});
