// What somebody writes and has not sent, on one device and on another.

import { after, before, test } from 'node:test';
import { begin, hasTexts, Stage, until, write } from './stage.mjs';

const stage = new Stage();
before(() => stage.begin());
after(() => stage.end());

const holds = (page, expected) => async () => {
  const text = await page.getByTestId('composer').inputValue();
  return text === expected || text;
};

test('a draft goes on on another device, and what is sent is no draft any more', async () => {
  const phone = await stage.open('una');
  const laptop = await stage.open('una');
  const vic = await stage.open('vic');
  await begin(vic, ['una']);
  await write(vic, 'hello');
  for (const page of [phone, laptop]) await page.getByTestId('conversation').click();
  await phone.getByTestId('composer').pressSequentially('half a ');
  await until('the laptop has it', holds(laptop, 'half a '));
  await laptop.getByTestId('composer').press('End');
  await laptop.getByTestId('composer').pressSequentially('thought');
  await until('the phone has all of it', holds(phone, 'half a thought'));
  await phone.getByTestId('composer').press('Enter');
  await until('it is sent', hasTexts(vic, ['hello', 'half a thought']));
  await until('the laptop has no draft', holds(laptop, ''));
  for (const page of [phone, laptop, vic]) await page.context().close();
});

test('what is written on two devices at once is lost on neither', async () => {
  const phone = await stage.open('wes');
  const laptop = await stage.open('wes');
  const xia = await stage.open('xia');
  await begin(xia, ['wes']);
  await write(xia, 'hello');
  for (const page of [phone, laptop]) await page.getByTestId('conversation').click();
  await until('the laptop shows it', hasTexts(laptop, ['hello']));
  await laptop.context().setOffline(true);
  await laptop.getByTestId('composer').fill('from the laptop');
  await phone.getByTestId('composer').fill('from the phone');
  const kept = await stage.open('wes');
  await kept.getByTestId('conversation').click();
  await until('it is kept', holds(kept, 'from the phone'));
  await kept.context().close();
  await laptop.context().setOffline(false);
  const other = laptop.getByTestId('other-draft');
  await other.getByText('from the phone').waitFor();
  await until('what was written here stays', holds(laptop, 'from the laptop'));
  await other.getByRole('button', { name: 'Go on with it' }).click();
  await until('the other one', holds(laptop, 'from the phone'));
  await other.getByText('from the laptop').waitFor();
  await other.getByRole('button', { name: 'Dismiss' }).click();
  await other.waitFor({ state: 'detached' });
  for (const page of [phone, laptop, xia]) await page.context().close();
});
