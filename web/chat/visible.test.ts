import { expect, test } from 'vitest';
import { visible } from './visible';

test('only the rows near the view are drawn', () => {
  expect(visible(500, 50, 0, 500, 6)).toEqual([0, 16]);
  expect(visible(500, 50, 5_000, 500, 6)).toEqual([94, 116]);
  expect(visible(500, 50, 24_500, 500, 6)).toEqual([484, 500]);
  expect(visible(0, 50, 0, 500, 6)).toEqual([0, 0]);
});
