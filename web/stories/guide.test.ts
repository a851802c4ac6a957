import { join } from 'node:path';
import { mkdirSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { makeDatabase } from './sqlite';
import { APP_KEY, APP_SECRET, World } from './world';

let world: World;
let database: string;
beforeAll(async () => {
  world = await World.start();
  database = join(world.folder, 'shop.db');
  makeDatabase(database);
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await world.page.screenshot({ path: 'artifacts/failed guide.png' });
});
afterAll(async () => {
  await world?.stop();
});

test('M-01 M-03 M-04 M-14: a first backup, step by step and all in place, even where pop-ups are blocked', async () => {
  const { page } = world;
  await world.setUp();
  await page.getByRole('link', { name: 'Add source' }).click();
  await page.getByRole('heading', { name: 'Set up your first backup' }).waitFor();
  await page.getByLabel('Name').fill('Shop');
  await page.getByLabel('Engine').selectOption('sqlite');
  await page.getByRole('textbox', { name: 'File' }).fill(database);
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('button', { name: 'Test connection' }).click();
  await page.getByText('1 table, SQLite').waitFor();
  await world.look('first backup, source');
  await page.getByRole('button', { name: 'Next: add a destination' }).click();

  await page.getByLabel('Name').fill('Offsite');
  await page.getByLabel('App Key').fill(APP_KEY);
  await page.getByLabel('App Secret').fill(APP_SECRET);
  await world.look('first backup, destination');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByText('Authorization required').waitFor();
  expect(await page.getByRole('button', { name: 'Next: create a job' }).isDisabled()).toBe(true);
  await page.evaluate(() => {
    window.open = () => null;
  });
  await page.getByRole('button', { name: 'Authorize with Dropbox' }).click();
  await page.getByRole('button', { name: /allow/i }).click();
  await page.getByText('Offsite is authorized').waitFor();
  await page.getByRole('heading', { name: 'Set up your first backup' }).waitFor();
  expect(new URL(page.url()).pathname).toBe('/first-backup');

  await page.getByLabel('Name').fill('shop');
  const encryption = page.getByLabel('Encryption profile', { exact: true });
  expect(await encryption.locator('option:checked').textContent()).toBe('A new key (recommended)');
  await world.look('first backup, job');
  await page.getByRole('button', { name: 'Save job' }).click();

  // The key is exported before the first run, or it is said what skipping that means.
  await page.getByRole('heading', { name: 'Export the key first.' }).waitFor();
  await page.getByRole('button', { name: 'Back up now, export later' }).waitFor();
  await world.look('first backup, key');
  await page.getByRole('button', { name: 'Export key' }).click();
  await page.getByRole('button', { name: 'Show recovery sheet' }).click();
  await page.getByLabel('I have stored it safely').check();
  await page.getByRole('button', { name: 'Done', exact: true }).click();
  await page.getByRole('heading', { name: 'Export the key first.' }).waitFor({ state: 'detached' });
  await world.look('first backup, run');
  await page.getByRole('button', { name: 'Back up now', exact: true }).click();
  await page.getByText('Your first backup is complete and verified.').waitFor({ timeout: 30_000 });
  await page.getByText('Verified', { exact: true }).waitFor();
  await world.look('first backup, done');
});

test('a restore over data asks for its name, and then replaces it', async () => {
  const { page } = world;
  await page.getByRole('link', { name: 'Try a restore' }).click();
  await page.getByRole('radio', { name: /^Replace the original/ }).check();
  await page.getByRole('button', { name: 'Review restore' }).click();
  await page.getByText('holds data').waitFor();
  const replace = page.getByRole('button', { name: /^Replace/ });
  expect(await replace.isDisabled()).toBe(true);
  const typed = page.getByLabel(/^Type .* to confirm$/);
  await typed.fill('shop');
  expect(await replace.isDisabled()).toBe(true);
  await typed.fill(`sqlite://${database}`);
  if (await replace.isDisabled()) await typed.fill(database);
  await world.look('restore, over data');
  await replace.click();
  await page.getByText('Succeeded').first().waitFor({ timeout: 30_000 });
  await page.getByText(/^Restored .*Checked: /).waitFor();
});

test('what a job needs is made where it is needed; nothing that was typed before is lost', async () => {
  const { page } = world;
  mkdirSync(join(world.folder, 'disk'));
  await page.goto(`${world.url}/jobs/new`);
  await page.getByLabel('Name').fill('archive');
  await page.getByRole('button', { name: 'Add source…' }).click();
  let dialog = page.getByRole('dialog', { name: 'New source' });
  await dialog.getByLabel('Name').fill('Archive');
  await dialog.getByLabel('Engine').selectOption('sqlite');
  await dialog.getByRole('textbox', { name: 'File' }).fill(database);
  await dialog.getByRole('button', { name: 'Save', exact: true }).click();
  dialog = page.getByRole('dialog', { name: 'Archive' });
  await dialog.getByRole('button', { name: 'Test connection' }).click();
  await dialog.getByText('1 table, SQLite').waitFor();
  await world.look('job, new source');
  await dialog.getByRole('button', { name: 'Use Archive' }).click();

  await page.getByRole('button', { name: 'Add destination…' }).click();
  dialog = page.getByRole('dialog', { name: 'New destination' });
  await dialog.getByLabel('Name').fill('Disk');
  await dialog.getByLabel('Type', { exact: true }).selectOption('folder');
  // What is missing is on the other tab, which comes by itself.
  await dialog.getByRole('button', { name: 'Save', exact: true }).click();
  await dialog.getByLabel('Folder').fill(join(world.folder, 'disk'));
  await dialog.getByRole('button', { name: 'Save', exact: true }).click();
  dialog = page.getByRole('dialog', { name: 'Disk' });
  await dialog.getByRole('button', { name: 'Test connection' }).click();
  await dialog.getByRole('button', { name: 'Test again' }).waitFor();
  await dialog.getByRole('button', { name: 'Close', exact: true }).click();

  expect(await page.getByLabel('Name').inputValue()).toBe('archive');
  expect(await page.getByLabel('Source').locator('option:checked').textContent()).toBe('Archive');
  expect(await page.getByRole('checkbox', { name: /^\s*Disk/ }).isChecked()).toBe(true);
  await page.getByRole('button', { name: 'Show as command' }).click();
  await page.getByRole('dialog').getByText('dbackup jobs create --file job.json').waitFor();
  await world.look('job, as command');
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click();
  await page.getByRole('button', { name: 'Save job' }).click();
  await page.getByRole('heading', { name: 'archive', exact: true }).waitFor();
  expect(world.complaints).toEqual([]);
});
