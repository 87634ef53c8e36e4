// What the tests about messages share: people with the same conversation open, and the menus of messages.

import assert from 'node:assert/strict';
import { accuse } from './axe.mjs';
import { until } from './stage.mjs';

export const PHONE = { viewport: { width: 360, height: 640 }, hasTouch: true, isMobile: true };

export const messageOf = (page, text) =>
  page.getByTestId('messages').getByTestId('message').filter({ hasText: text });
export const item = (page, name) => page.getByRole('menuitem', { name });
export const row = (page, title) => page.getByTestId('conversation').filter({ hasText: title });

/** Two people in a group with a third one, each with it open; the options are those of the first one's browser. */
export async function pair(stage, people, [one, other], title, options = {}) {
  const group = await people.group(one, [other, 'cleo'], title);
  const pages = [];
  for (const name of [one, other]) {
    const page = await stage.open(name, name === one ? options : {});
    await row(page, title).click();
    await page.getByTestId('composer').first().waitFor();
    pages.push(page);
  }
  return [...pages, group];
}

/** What has the focus. */
export const focused = (page) => page.evaluate(() => document.activeElement.textContent);

/** Presses a key until an element with this text has the focus. */
export async function moveTo(page, name, key) {
  await until(`on ${name}`, async () => {
    const at = await focused(page);
    if (at !== name) await page.keyboard.press(key);
    return at === name || at;
  });
}

/** Opens the menu of a message and chooses, without a pointer. */
export async function chooseByKeys(page, message, name) {
  const at = typeof message === 'string' ? messageOf(page, message) : message;
  await at.focus();
  await page.keyboard.press('Enter');
  await page.getByRole('menuitem', { name, exact: true }).waitFor();
  await moveTo(page, name, 'ArrowDown');
  await page.keyboard.press('Enter');
}

/** Nothing is wider than the window, and axe finds nothing serious. */
export async function fits(page, state) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wide <= 0, `${state}: ${wide} px too wide`);
  await accuse(page, state);
}
