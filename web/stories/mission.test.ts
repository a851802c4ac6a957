import { makeDatabase } from './sqlite';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { APP_KEY, APP_SECRET, World } from './world';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await world.page.screenshot({ path: 'artifacts/failed.png' });
});
afterAll(async () => {
  await world?.stop();
});

test('M-01 M-02 M-03 M-04 M-09 M-10 M-16: from setup to a restored database', async () => {
  const { page } = world;
  await page.goto(world.url);
  await page.getByLabel('Setup token').waitFor();
  await world.look('setup');
  await world.setUp();
  await world.look('overview, empty');

  const database = join(world.folder, 'shop.db');
  makeDatabase(database);
  await page.getByRole('link', { name: 'Add source' }).click();
  await page.getByLabel('Name').fill('Shop');
  await page.getByLabel('Engine').selectOption('sqlite');
  await page.getByRole('textbox', { name: 'File' }).fill(database);
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('button', { name: 'Test connection' }).click();
  await page.getByRole('button', { name: 'Test again' }).waitFor();
  await world.look('source');

  await page.goto(`${world.url}/destinations/new`);
  const main = page.getByRole('main');
  await main.getByLabel('Name').fill('Offsite');
  await main.getByText('/api/adapters/dropbox/callback').first().waitFor({ state: 'attached' });
  expect(await main.getByText(`${world.url}/api/adapters/dropbox/callback`).count()).toBe(1);
  await main.getByLabel('App Key').fill(APP_KEY);
  await main.getByLabel('App Secret').fill(APP_SECRET);
  await world.look('destination, new');
  await main.getByRole('button', { name: 'Save', exact: true }).click();
  await main.getByText('Authorization required').waitFor();
  await world.look('destination, authorization required');

  const opens = world.context.waitForEvent('page');
  await main.getByRole('button', { name: 'Authorize with Dropbox' }).click();
  const popup = await opens;
  await popup.getByRole('button', { name: /allow/i }).click();
  await main.getByText('Authorized', { exact: true }).waitFor();
  await page.getByText('Offsite is authorized').waitFor();
  if (!popup.isClosed()) await popup.waitForEvent('close');
  await world.look('destination, authorized');

  await main.getByRole('tab', { name: 'Configuration' }).click();
  await main.getByRole('button', { name: 'Browse' }).click();
  const browser = page.getByRole('dialog', { name: 'Choose a folder' });
  await browser.getByText('No subfolders').waitFor();
  await browser.getByRole('button', { name: 'New folder' }).click();
  await browser.getByLabel('Folder name').fill('backups');
  await browser.getByRole('button', { name: 'Create', exact: true }).click();
  await browser.getByRole('option', { name: 'backups', selected: true }).waitFor();
  await world.look('folder browser');
  await browser.getByRole('option', { name: 'backups' }).dblclick();
  await browser.getByText('No subfolders').waitFor();
  await browser.getByRole('button', { name: 'Up' }).click();
  await browser.getByRole('option', { name: 'backups' }).click();
  // A second click that is no double click opens nothing.
  await browser.getByRole('option', { name: 'backups' }).click();
  await browser.getByRole('option', { name: 'backups', selected: true }).waitFor();
  await browser.getByRole('button', { name: 'Select Folder' }).click();
  await main.getByText('Save to apply.').waitFor();
  expect(await main.getByLabel('Folder Path').inputValue()).toBe('/backups');
  await main.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByText('Destination saved').first().waitFor();
  await page.getByRole('heading', { level: 1, name: 'Offsite', exact: true }).waitFor();
  await page.getByRole('link', { name: 'Destinations', exact: true }).first().click();
  await page.getByRole('heading', { level: 1, name: 'Destinations' }).waitFor();
  await world.look('destinations');

  await page.getByRole('link', { name: 'Encryption' }).click();
  await page.getByRole('button', { name: 'Add profile' }).first().click();
  await page.getByRole('dialog').getByLabel('Name').fill('Company');
  await page.getByRole('button', { name: 'Create profile' }).click();
  await page.getByRole('button', { name: 'Show recovery sheet' }).click();
  await page.getByText('AGE-SECRET-KEY').first().waitFor();
  await world.look('recovery sheet');
  await page.getByLabel('I have stored it safely').check();
  await page.getByRole('button', { name: 'Done' }).click();
  await world.look('profiles');

  await page.getByRole('link', { name: 'Jobs', exact: true }).click();
  await page.getByRole('link', { name: 'Add a job' }).click();
  await page.getByLabel('Name').fill('shop');
  await page.getByText('Daily at 03:00').waitFor();
  await world.look('job');
  await page.getByRole('button', { name: 'Save job' }).click();
  await page.getByRole('button', { name: 'Back up now' }).click();
  await page.getByText('Succeeded').first().waitFor();
  await world.look('jobs');
  await page.getByText('Succeeded').first().click();
  await page.getByText('Verified', { exact: true }).waitFor();
  await world.look('run');

  await page.getByRole('link', { name: 'Backups', exact: true }).click();
  await page.getByRole('link', { name: 'Restore…' }).waitFor();
  await world.look('backups');
  await page.getByRole('link', { name: 'Restore…' }).click();
  await page.getByRole('textbox', { name: 'File' }).fill(join(world.folder, 'restored.db'));
  await page.getByRole('button', { name: 'Review restore' }).click();
  await page.getByRole('button', { name: /^Restore into/ }).waitFor();
  await world.look('restore');
  await page.getByRole('button', { name: /^Restore into/ }).click();
  await page.getByText('Succeeded').first().waitFor();
  await page.goto(world.url);
  await page.getByText('Your database is backed up.').waitFor();
  await world.look('overview');
  for (const [path, name] of [
    ['/runs', 'runs'],
    ['/sources', 'sources'],
    ['/settings', 'settings'],
    ['/people', 'users'],
    ['/people?tab=tokens', 'tokens'],
    ['/people?tab=sessions', 'sessions'],
    ['/people?tab=audit', 'audit'],
  ] as const) {
    await page.goto(world.url + path);
    await page.waitForLoadState('load');
    await page.locator('table, .panel').first().waitFor();
    await world.look(name);
  }
  expect(world.complaints).toEqual([]);
});
