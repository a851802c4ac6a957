/** Pages about things: backups, a backup, a source, a destination, a database; and a restore from each of them. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until, World } from './world';

let world: World;
let source = '';
let offsite = '';
let nas = '';
let job = '';
beforeAll(async () => {
  world = await World.start();
  const made = await world.ready();
  [source, offsite] = [made.source, made.destination];
  await world.authorize(offsite);
  mkdirSync(join(world.folder, 'disk'));
  const settings = { type: 'folder', path: join(world.folder, 'disk') };
  nas = (await world.ask('POST', '/api/destinations', { name: 'NAS', settings })).id;
  const shop = { name: 'Shop nightly', sourceId: source, destinationIds: [nas, offsite] };
  job = (await world.ask('POST', '/api/jobs', shop)).id;
  for (let run = 0; run < 3; run++) await backUp();
});
afterEach(async ({ task }) => {
  await world.page.unrouteAll({ behavior: 'ignoreErrors' });
  await world.page.setViewportSize({ width: 1280, height: 860 });
  if (task.result?.state === 'fail') await world.page.screenshot({ path: 'artifacts/failed things.png' });
  expect(world.complaints).toEqual([]);
});
afterAll(async () => {
  await world?.stop();
});

async function backUp() {
  const { id } = await world.ask('POST', `/api/jobs/${job}/run`);
  await until(async () => (await world.ask<{ state: string }>('GET', `/api/runs/${id}`)).state === 'succeeded');
}
const rows = () => world.page.locator('tbody tr[data-key]');
const focused = (css: string) =>
  world.page.evaluate((css) => document.activeElement?.closest(css)?.getAttribute('data-key') ?? undefined, css);

test('the list of backups is live, counted by state, and keeps its filters in the address', async () => {
  const { page } = world;
  await page.goto(`${world.url}/backups`);
  await until(async () => (await rows().count()) === 6);
  const chips = page.getByRole('group', { name: 'Status' });
  await chips.getByRole('button', { name: 'All 6' }).waitFor();
  await chips.getByRole('button', { name: 'Not encrypted 6' }).waitFor();
  await world.look('things, backups');
  await page.setViewportSize({ width: 1280, height: 860 });
  await backUp();
  await until(async () => (await rows().count()) === 8);
  await chips.getByRole('button', { name: 'All 8' }).waitFor();
  await chips.getByRole('button', { name: /^Missing/ }).click();
  await page.getByText('Nothing matches').waitFor();
  expect(page.url()).toContain('state=missing');
  await page.getByRole('button', { name: 'Show all' }).click();
  await until(async () => (await rows().count()) === 8);
  await page.getByLabel('Destination', { exact: true }).selectOption({ label: 'NAS' });
  await until(async () => (await rows().count()) === 4);
  await page.reload();
  await until(async () => (await rows().count()) === 4);
  await page.getByRole('columnheader', { name: 'Size' }).getByRole('button').click();
  expect(page.url()).toContain('sort=size');
});

test('by keyboard: rows are walked through, selected, opened; Back brings the focus to the row', async () => {
  const { page } = world;
  await page.goto(`${world.url}/backups`);
  await rows().first().waitFor();
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await page.keyboard.press('x');
  const bulk = page.getByRole('group', { name: 'Selected rows' });
  await bulk.getByText('1 selected').waitFor();
  await page.keyboard.press('Escape');
  await bulk.waitFor({ state: 'hidden' });
  const row = await focused('tr');
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/backups\/view\?/);
  await page.getByRole('region', { name: 'Copies' }).waitFor();
  await page.goBack();
  await rows().first().waitFor();
  await until(async () => (await focused('tr')) === row);
});

test('several backups are verified, copied and deleted at once', async () => {
  const { page } = world;
  await page.goto(`${world.url}/backups?destination=${nas}`);
  await until(async () => (await rows().count()) === 4);
  const boxes = page.getByRole('checkbox', { name: /^Select the backup/ });
  await boxes.nth(2).check();
  await boxes.nth(3).check();
  const bulk = page.getByRole('group', { name: 'Selected rows' });
  await bulk.getByRole('button', { name: 'Verify' }).click();
  await page.getByText('2 backups verified').waitFor();
  await boxes.nth(2).check();
  await boxes.nth(3).check();
  await bulk.getByRole('button', { name: 'Copy…' }).click();
  await page.getByLabel('To', { exact: true }).selectOption({ label: 'Offsite' });
  await page.getByRole('button', { name: 'Copy 2 backups' }).click();
  await page.getByText('Copying 2 backups').waitFor();
  await boxes.nth(2).check();
  await boxes.nth(3).check();
  await bulk.getByRole('button', { name: 'Delete…' }).click();
  await page.getByLabel(/^Type delete/).fill('delete');
  await page.getByRole('button', { name: 'Delete 2 backups' }).click();
  await until(async () => (await rows().count()) === 2);
});

test('a destination in trouble is one amber line with its cure', async () => {
  const { page } = world;
  await world.emulator('POST', 'grant/revoke');
  await world.ask('POST', `/api/destinations/${offsite}/check`);
  renameSync(join(world.folder, 'disk'), join(world.folder, 'away'));
  await page.goto(`${world.url}/backups`);
  const trouble = page.getByRole('list', { name: 'Destinations in trouble' });
  await trouble.getByText('needs authorization').waitFor();
  await page.getByRole('button', { name: 'Scan now' }).click();
  await trouble.getByText('could not be read').waitFor();
  await world.look('things, trouble');
  expect(await trouble.getByRole('link', { name: 'Authorize' }).getAttribute('href')).toBe(`/destinations/${offsite}`);
  expect(await rows().count()).toBeGreaterThan(0);
  await page.setViewportSize({ width: 1280, height: 860 });
  await page.getByLabel('Destination', { exact: true }).selectOption({ label: 'NAS' });
  await trouble.getByText('needs authorization').waitFor({ state: 'detached' });
  renameSync(join(world.folder, 'away'), join(world.folder, 'disk'));
  await page.getByRole('button', { name: 'Scan now' }).click();
  await trouble.waitFor({ state: 'detached' });
  await world.authorize(offsite);
});

test('a backup has a page: copies, verifications, details, note and lock', async () => {
  const { page } = world;
  await page.goto(`${world.url}/backups?destination=${nas}`);
  await rows().first().locator('.row-link').click();
  await page.getByRole('heading', { level: 1, name: /^Shop nightly, / }).waitFor();
  const copies = page.getByRole('region', { name: 'Copies' });
  await until(async () => (await copies.locator('tbody tr').count()) === 2);
  await copies.getByRole('button', { name: 'More for the copy at NAS' }).click();
  await page.getByRole('menuitem', { name: 'Verify' }).click();
  const verifications = page.getByRole('region', { name: 'Verifications' });
  await verifications.getByText('anna').waitFor();
  await page.getByRole('button', { name: 'Add note' }).click();
  await page.keyboard.type('before the migration, keep');
  await page.getByRole('button', { name: 'Save note' }).click();
  await page.getByRole('button', { name: 'Edit note' }).waitFor();
  await page.getByRole('button', { name: 'More for this backup' }).click();
  await page.getByRole('menuitem', { name: /^Lock/ }).click();
  await until(async () => (await copies.getByText('locked').count()) === 2);
  await page.getByText('Metadata file').click();
  await page.getByText('"jobName"').waitFor();
  await page.reload();
  await page.getByText('before the migration, keep').waitFor();
  await verifications.getByText('anna').waitFor();
  await world.look('things, backup');
  expect(await page.getByRole('link', { name: 'Restore…' }).count()).toBe(3);
});

test('a source has a page: its database, its jobs, a test; a database in no job says so', async () => {
  const { page } = world;
  const path = join(world.folder, 'lonely.db');
  writeFileSync(path, '');
  const lonely = await world.ask('POST', '/api/sources', { name: 'Lonely', settings: { type: 'sqlite', path } });
  await page.goto(`${world.url}/sources`);
  await page.getByRole('link', { name: 'Lonely' }).click();
  await page.getByText('In no job', { exact: true }).waitFor();
  await page.getByText('No job backs up this source.').waitFor();
  await page.goto(`${world.url}/sources/${source}`);
  const databases = page.getByRole('region', { name: 'Databases' });
  await databases.getByText('Good').waitFor();
  await databases.getByRole('link', { name: 'NAS' }).waitFor();
  await page.getByRole('button', { name: 'Test connection' }).click();
  await page.getByText('1 table, SQLite').waitFor();
  await world.look('things, source');
  await page.getByRole('link', { name: 'Edit', exact: true }).click();
  await page.waitForURL(/\/edit$/);
  await page.getByLabel('Name').fill('The shop');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('heading', { level: 1, name: 'The shop' }).waitFor();
  await world.ask('DELETE', `/api/sources/${lonely.id}`);
});

test('a PostgreSQL source lists its databases, with those that are in no job first', async () => {
  const { page } = world;
  const settings = { type: 'postgres', host: '127.0.0.1', port: 1, user: 'dbackup' };
  const { id } = await world.ask('POST', '/api/sources', { name: 'Production', settings });
  const databases = ['orders', 'users'];
  await world.ask('POST', '/api/jobs', { name: 'production', sourceId: id, destinationIds: [nas], databases });
  await page.route(`**/api/sources/${id}/databases`, (route) =>
    route.fulfill({ json: { items: ['orders', 'users', 'forgotten'], leftOut: [] } }),
  );
  await page.goto(`${world.url}/sources/${id}`);
  await page.getByText('1 in no job').waitFor();
  expect(await rows().first().textContent()).toContain('forgotten');
  await world.look('things, source postgres');
  await page.unroute(`**/api/sources/${id}/databases`);
  await page.reload();
  await page.getByText('Could not list the databases').waitFor();
  await page.getByRole('link', { name: 'orders' }).click();
  await page.getByRole('heading', { level: 1, name: 'orders' }).waitFor();
  await page.getByText('Not backed up yet').waitFor();
});

test('a destination has a page: space, what takes it, orphans, jobs, backups, its authorization', async () => {
  const { page } = world;
  const old = { name: 'Old', sourceId: source, destinationIds: [nas] };
  const gone = await world.ask('POST', '/api/jobs', old);
  const run = await world.ask('POST', `/api/jobs/${gone.id}/run`);
  await until(async () => (await world.ask<{ state: string }>('GET', `/api/runs/${run.id}`)).state === 'succeeded');
  await world.ask('DELETE', `/api/jobs/${gone.id}`);
  await page.goto(`${world.url}/destinations/${nas}`);
  const usage = page.getByRole('region', { name: 'What takes the space' });
  await usage.getByText('in 1 folder of no job').waitFor();
  await usage.getByRole('link', { name: 'Shop nightly' }).waitFor();
  await world.look('things, destination');
  await page.route('**/api/destinations/*/usage', async (route) => {
    const usage = await (await route.fetch()).json();
    const days = Array.from({ length: 60 }, (_, day) => ({
      date: new Date(Date.UTC(2026, 8, 1 + day)).toISOString().slice(0, 10),
      used: 2 ** 40 * (1 + day / 60),
      allowed: 2.2 * 2 ** 40,
    }));
    usage.space = { ...usage.space, destinationId: nas, days, fullOn: '2026-11-12' };
    await route.fulfill({ json: usage });
  });
  await page.reload();
  await page.getByText(/a day: full by .* at the current rate/).waitFor();
  await world.look('things, destination, filling');
  await page.unroute('**/api/destinations/*/usage');
  await world.emulator('POST', 'grant/revoke');
  await page.goto(`${world.url}/destinations/${offsite}`);
  await page.getByRole('button', { name: 'Check now' }).click();
  await page.getByText('Re-authorization required').first().waitFor();
  await world.look('things, destination, revoked');
  const opens = world.context.waitForEvent('page');
  await page.getByRole('button', { name: 'Re-authorize' }).click();
  await (await opens).getByRole('button', { name: /allow/i }).click();
  await page.getByText('Authorized', { exact: true }).first().waitFor();
});

test('a database has a page: how old its newest copy is at each destination, every backup, restores', async () => {
  const { page } = world;
  await page.goto(`${world.url}/backups`);
  await page.getByRole('link', { name: 'The shop' }).first().click();
  await page.waitForURL(/\/databases\?/);
  await page.getByText('Backed up', { exact: true }).waitFor();
  await world.look('things, database');
  await page.getByRole('link', { name: 'Restore…' }).first().click();
  await page.waitForURL(/\/backups\/restore\?/);
});

test('from the palette: two steps to a restored database, with a name that is free; then it is on the page', async () => {
  const { page } = world;
  await page.goto(world.url);
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
  for (const name of [/shop-restored-[\d-]{10}\.db$/, /shop-restored-[\d-]{10}-2\.db$/]) {
    await page.keyboard.press('Control+k');
    await page.getByRole('combobox', { name: 'Search or run' }).waitFor();
    await page.keyboard.type('restore shop nightly');
    await page.getByRole('option', { name: /^Restore Shop nightly/ }).waitFor();
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Review restore' }).click();
    const restore = page.getByRole('button', { name: /^Restore into/ });
    await restore.waitFor();
    expect(await page.getByRole('textbox', { name: 'File' }).inputValue()).toMatch(name);
    if (name.source.includes('-2')) await world.look('things, restore');
    await page.setViewportSize({ width: 1280, height: 860 });
    await restore.click();
    await page.getByText(/^Restored into .*shop-restored/).waitFor({ timeout: 30_000 });
  }
  await page.getByRole('link', { name: 'View source' }).click();
  const restores = page.getByRole('region', { name: 'Restores into this source' });
  await until(async () => (await restores.getByRole('listitem').count()) === 2);
});

test('where one destination cannot be reached, the copy at another one is restored', async () => {
  const { page } = world;
  renameSync(join(world.folder, 'disk'), join(world.folder, 'away'));
  await page.goto(`${world.url}/backups/restore?job=Shop+nightly`);
  await page.getByLabel('Backup', { exact: true }).waitFor();
  expect(await page.getByLabel('Backup', { exact: true }).locator('option:checked').textContent()).toContain('Offsite');
  renameSync(join(world.folder, 'away'), join(world.folder, 'disk'));
});

test('replacing the original is the second choice, and asks for its name', async () => {
  const { page } = world;
  await page.goto(`${world.url}/backups/restore?job=Shop+nightly`);
  const original = page.getByRole('radio', { name: /^Replace the original/ });
  expect(await original.isChecked()).toBe(false);
  await original.check();
  await page.getByRole('button', { name: 'Review restore' }).click();
  await page.getByLabel(/^Type .* to confirm$/).waitFor();
  expect(await page.getByRole('button', { name: /^Replace / }).isDisabled()).toBe(true);
});
