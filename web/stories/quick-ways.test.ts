/** Everything within reach of the keyboard, and what the window says of itself. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { PASSWORD, until, World } from './world';

let world: World;
let job: string;
beforeAll(async () => {
  world = await World.start();
  const { source, destination } = await world.ready();
  const made = await world.ask('POST', '/api/jobs', { name: 'shop', sourceId: source, destinationIds: [destination] });
  job = made.id;
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await world.page.screenshot({ path: 'artifacts/failed quick ways.png' });
  expect(world.complaints).toEqual([]);
});
afterAll(async () => {
  await world?.stop();
});
const icon = () => world.page.locator('link[rel=icon]').getAttribute('href');

test('the palette opens and does everything by its name', async () => {
  const { page } = world;
  await page.goto(`${world.url}/settings`);
  await page.getByRole('heading', { name: 'Settings' }).waitFor();
  await page.keyboard.press('Control+k');
  const field = page.getByRole('combobox', { name: 'Search or run' });
  await field.waitFor();
  await page.keyboard.type('offs');
  await page.getByRole('option', { name: /^Offsite/ }).waitFor();
  await world.look('palette');
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/destinations\//);
  await page.getByRole('heading', { level: 1, name: 'Offsite' }).waitFor();
  await page.keyboard.press('Control+k');
  await field.waitFor();
  await page.keyboard.type('back up shop');
  await page.getByRole('option', { name: /^Back up shop now/ }).waitFor();
  await page.keyboard.press('Enter');
  await page.getByText('Backup of shop failed').waitFor();
  await page.keyboard.press('Control+k');
  await field.waitFor();
  await page.keyboard.press('Escape');
  await field.waitFor({ state: 'detached' });
});

test('title and icon carry the problems, on every page', async () => {
  const { page } = world;
  await page.goto(`${world.url}/settings`);
  await until(async () => (await page.title()) === '(1) Settings · dbackup');
  expect(await icon()).toBe('/favicon-problems.svg');
  await page.getByLabel('1 problem').waitFor();
  await world.ask('PATCH', `/api/jobs/${job}`, { enabled: false });
  const { items } = await world.ask<{ items: { id: string }[] }>('GET', '/api/destinations');
  await world.authorize(items[0]?.id ?? '');
  await page.goto(`${world.url}/settings`);
  await until(async () => (await page.title()) === 'Settings · dbackup');
  expect(await icon()).toBe('/favicon.svg');
});

test('keys go to pages, turn times into dates, and list themselves', async () => {
  const { page } = world;
  await page.goto(`${world.url}/settings`);
  await page.getByRole('heading', { name: 'Settings' }).waitFor();
  await page.keyboard.press('?');
  const keys = page.getByRole('dialog', { name: 'Keyboard shortcuts' });
  await keys.waitFor();
  await world.look('keys');
  await page.keyboard.press('Escape');
  await keys.waitFor({ state: 'hidden' });
  await page.keyboard.press('g');
  await page.keyboard.press('r');
  await page.waitForURL(/\/runs$/);
  const time = page.locator('main time').first();
  await time.waitFor();
  const before = await time.textContent();
  await page.keyboard.press('t');
  await until(async () => (await time.textContent()) !== before);
  expect(await time.textContent()).toContain(String(new Date().getFullYear()));
  // A finger does the same.
  await time.click();
  await until(async () => (await time.textContent())?.includes(String(new Date().getFullYear())) === false);
});

test('the focus is where something is to be filled in or decided', async () => {
  const { page } = world;
  const focused = () =>
    page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.id);
  const has = async (label: string) => {
    const field = page.getByLabel(label, { exact: true }).last();
    await until(() => field.evaluate((element) => element === document.activeElement));
  };
  await page.goto(`${world.url}/profiles`);
  await page.getByRole('button', { name: 'Add profile' }).first().click();
  await has('Name');
  await page.keyboard.press('Escape');
  await page.goto(`${world.url}/jobs`);
  await page.getByRole('button', { name: 'More for shop' }).click();
  await page.getByRole('menuitem', { name: /Remove/ }).click();
  await page.getByRole('dialog').waitFor();
  expect(await page.evaluate(() => document.activeElement?.textContent?.trim())).not.toMatch(/^(Remove|$)/);
  await page.keyboard.press('Escape');
  expect(await focused()).not.toBe('');
  const visitor = await world.visitor();
  const other = await visitor.newPage();
  await other.goto(world.url);
  await other.getByRole('button', { name: 'Sign in' }).waitFor();
  await other.keyboard.type('anna');
  expect(await other.getByLabel('Name').inputValue()).toBe('anna');
  await other.keyboard.press('Tab');
  await other.keyboard.type(PASSWORD);
  await other.keyboard.press('Enter');
  await other.getByRole('heading', { name: 'Overview' }).waitFor();
  await visitor.close();
});

test('a recovery sheet is printed alone', async () => {
  const { page } = world;
  await page.goto(`${world.url}/profiles`);
  await page.getByRole('button', { name: 'Add profile' }).first().click();
  await page.getByRole('dialog').getByLabel('Name').fill('company');
  await page.getByRole('dialog').getByLabel('Name').press('Enter');
  await page.getByRole('button', { name: 'Show recovery sheet' }).click();
  await page.getByRole('button', { name: 'Print', exact: true }).waitFor();
  await page.emulateMedia({ media: 'print' });
  await page.getByText(/AGE-SECRET-KEY-1/).waitFor();
  for (const hidden of ['Print', 'Save as file', 'Done']) {
    expect(await page.getByRole('button', { name: hidden, exact: true }).isVisible(), hidden).toBe(false);
  }
  expect(await page.getByRole('navigation').isVisible()).toBe(false);
  await page.screenshot({ path: 'artifacts/recovery sheet, printed.png', fullPage: true });
  await page.emulateMedia({ media: null });
});

test('who can read the backups of a new job is chosen, not guessed', async () => {
  const { page } = world;
  await world.ask('POST', '/api/profiles', { name: 'accounting, auditors only' });
  await page.goto(`${world.url}/jobs/new`);
  const profile = page.getByLabel('Encryption profile', { exact: true });
  expect(await profile.locator('option:checked').textContent()).toBe('Select…');
  await page.getByLabel('Name').fill('second');
  await page.getByRole('button', { name: 'Save job' }).click();
  await page.getByText('Choose an encryption profile').first().waitFor();
  await profile.selectOption('company');
  await page.getByRole('button', { name: 'Save job' }).click();
  await page.getByText('Job saved').waitFor();
});
