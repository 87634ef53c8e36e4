// Pictures of the main states of the page, for README and the documentation: `make screenshots` writes them.

import { mkdirSync } from 'node:fs';
import { begin, Stage, until, write } from './stage.mjs';

const FOLDER = new URL('../../docs/screenshots/', import.meta.url).pathname;
const DESKTOP = { width: 960, height: 600 };
const PHONE = { width: 360, height: 640 };

const stage = new Stage();
mkdirSync(FOLDER, { recursive: true });

/** Without a caret that blinks and a cursor that hovers. */
async function picture(page, name) {
  await page.mouse.move(0, 0);
  await page.waitForTimeout(300);
  await page.screenshot({ path: `${FOLDER}${name}.png`, animations: 'disabled', caret: 'hide' });
}

async function talk(pages, lines) {
  for (const [who, text] of lines) {
    await write(pages[who], text);
    await until('stored', async () => (await pages[who].locator('.waiting').count()) === 0);
  }
}

try {
  await stage.begin();
  const signIn = await (await stage.profile({ viewport: DESKTOP })).newPage();
  await signIn.goto(`http://${stage.address}/`);
  await signIn.getByTestId('name').waitFor();
  await picture(signIn, 'sign-in');

  const pages = {
    ann: await stage.open('Ann Lee', { viewport: DESKTOP }),
    bob: await stage.open('Bob Ray', { viewport: DESKTOP }),
    noa: await stage.open('נועה', { viewport: DESKTOP }),
    anna: await stage.open('Анна', { viewport: DESKTOP }),
  };
  await begin(pages.noa, ['Ann Lee']);
  await talk(pages, [['noa', 'שלום אן, נתראה מחר?']]);
  await begin(pages.anna, ['Ann Lee']);
  await talk(pages, [
    ['anna', 'Привет! Билеты у меня.'],
    ['anna', 'See you at the station at nine.'],
  ]);
  await begin(pages.ann, ['Bob Ray', 'Анна', 'נועה'], 'Harbour walk');
  for (const who of ['bob', 'anna', 'noa'])
    await pages[who].getByTestId('conversation').filter({ hasText: 'Harbour walk' }).click();
  await talk(pages, [
    ['ann', 'Who is coming on Saturday?'],
    ['bob', 'I am. The route is at https://maps.example/harbour.'],
    ['bob', 'Six kilometres, flat, and there is a café half-way.'],
    ['anna', 'Мы тоже придём!'],
    ['noa', 'אני אביא עוגה'],
    ['ann', 'Then we are four. I bring the tea.'],
    ['bob', 'Perfect. Ten o’clock at the lighthouse?'],
  ]);
  const says = (text) => async () => (await pages.ann.getByTestId('typing').textContent()) === text;
  await pages.bob.getByTestId('composer').pressSequentially('And if it ra');
  await until('only Bob writes', says('Bob Ray is writing…'));
  await picture(pages.ann, 'conversation');
  await pages.ann.emulateMedia({ colorScheme: 'dark' });
  await picture(pages.ann, 'conversation-dark');
  await pages.ann.getByTestId('message').nth(5).click({ button: 'right' });
  await pages.ann.getByRole('menu').waitFor();
  await picture(pages.ann, 'menu-dark');
  await pages.ann.keyboard.press('Escape');
  await pages.ann.emulateMedia({ colorScheme: 'light' });
  await pages.ann.getByRole('button', { name: 'members' }).click();
  await pages.ann.getByRole('heading', { name: 'Members' }).waitFor();
  await picture(pages.ann, 'members');
  await pages.ann.getByRole('button', { name: 'Close' }).click();

  const phone = await stage.open('Ann Lee', {
    viewport: PHONE,
    hasTouch: true,
    isMobile: true,
    deviceScaleFactor: 1,
  });
  await phone.getByTestId('conversation').nth(2).waitFor();
  await picture(phone, 'phone-list');
  await phone.getByTestId('conversation').filter({ hasText: 'Harbour walk' }).click();
  await phone.getByTestId('message').last().waitFor();
  await picture(phone, 'phone-conversation');

  await stage.stop('SIGKILL');
  await pages.ann.getByTestId('banner').filter({ hasText: 'Offline' }).waitFor();
  await until('nobody writes', says(''));
  await write(pages.ann, 'If it rains, we meet in the café.');
  await picture(pages.ann, 'offline');
  await stage.serve(stage.address);
} finally {
  await stage.end();
}
