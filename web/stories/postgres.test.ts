import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { Postgres } from './postgres';
import { World } from './world';

let world: World;
let postgres: Postgres;
let destination: string;
beforeAll(async () => {
  world = await World.start();
  ({ destination } = await world.ready());
  await world.authorize(destination);
  postgres = await Postgres.start(world.folder);
  postgres.sql('postgres', `CREATE ROLE dbackup LOGIN SUPERUSER PASSWORD 'secret'`);
  for (const name of ['shop', 'blog']) postgres.sql('postgres', `CREATE DATABASE ${name}`);
  postgres.sql('shop', 'CREATE TABLE orders AS SELECT n AS id, md5(n::text) AS what FROM generate_series(1, 5000) n');
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await world.page.screenshot({ path: 'artifacts/failed postgres.png' });
});
afterAll(async () => {
  await postgres?.stop();
  await world?.stop();
});

test('M-11 M-12 M-13: a PostgreSQL server is tested step by step, backed up, verified and restored into a new database', async () => {
  const { page } = world;
  await page.goto(`${world.url}/sources/new`);
  await page.getByLabel('Name').fill('Production');
  await page.getByLabel('Host').fill('127.0.0.1');
  await page.getByLabel('Port').fill(String(postgres.port));
  await page.getByLabel('User').fill('dbackup');
  await page.getByLabel('Password').fill('wrong');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('button', { name: 'Test connection' }).click();
  await page.getByText('password authentication failed').first().waitFor();
  await world.look('source, wrong password');
  await page.getByRole('link', { name: 'Edit', exact: true }).click();
  await page.getByLabel('Password').fill('secret');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('button', { name: /^Test (connection|again)/ }).click();
  await page.getByText('password authentication failed').first().waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Test again' }).waitFor();
  await world.look('source, postgres');

  await page.goto(`${world.url}/jobs/new`);
  await page.getByLabel('Name').fill('production');
  await page.getByLabel('Source').selectOption({ label: 'Production' });
  await page.getByRole('checkbox', { name: /Offsite/ }).check();
  await page.getByRole('button', { name: 'Save job' }).click();
  await page.getByRole('button', { name: 'Back up now' }).click();
  await page.getByRole('link', { name: 'Runs', exact: true }).click();
  await page.getByRole('cell').getByText('Succeeded').first().waitFor({ timeout: 30_000 });
  await page.getByRole('link', { name: 'production' }).first().click();
  await page.getByText('Verified', { exact: true }).nth(1).waitFor();
  await world.look('run, postgres');
  await page.goto(world.url);
  await page.getByText(/^All [23] databases are backed up/).waitFor();

  await page.goto(`${world.url}/backups`);
  const row = page.getByRole('row', { name: /shop/ });
  await row.getByRole('button', { name: /^More/ }).click();
  await page.getByRole('menuitem', { name: 'Verify' }).click();
  await row
    .getByText(/whole|verified/i)
    .first()
    .waitFor();
  await world.look('backups, verified');
  await page.goto(`${world.url}/backups?state=verified`);
  const chips = page.getByRole('group', { name: 'Status' });
  await chips.getByRole('button', { name: 'Verified 3', pressed: true }).waitFor();
  await chips.getByRole('button', { name: 'Not encrypted 3' }).click();
  await page.getByLabel('Database').selectOption('blog');
  await page.getByLabel('Filter backups').fill('PRODUCTION/backup');
  await page.getByText(/^1 backup · /).waitFor();
  await page.reload();
  await page.getByText(/^1 backup · /).waitFor();
  expect(await page.getByLabel('Filter backups').inputValue()).toBe('PRODUCTION/backup');
  await page.goto(`${world.url}/backups`);
  await row.getByRole('link', { name: 'Restore…' }).click();
  expect(await page.getByRole('textbox', { name: /^Database/ }).inputValue()).toBe('shop_restored');
  await page.getByRole('button', { name: 'Review restore' }).click();
  await page.getByRole('button', { name: /^Restore into/ }).click();
  await page.getByText('Succeeded').first().waitFor({ timeout: 30_000 });
  const sum = 'SELECT count(*), md5(string_agg(what, chr(10) ORDER BY id)) FROM orders';
  expect(postgres.sql('shop_restored', sum)).toBe(postgres.sql('shop', sum));
});

test('a run that goes on tells its stages and its speed, database by database, and can be cancelled', async () => {
  const { page } = world;
  const { items } = await world.ask<{ items: { id: string; name: string }[] }>('GET', '/api/jobs');
  await world.emulator('PUT', 'weather', 'latency=900ms');
  const run = await world.ask('POST', `/api/jobs/${items[0]?.id}/run`);
  await page.goto(`${world.url}/runs/${run.id}`);
  await page.getByText(/of [34] databases done/).waitFor();
  await page.getByText('Queued').first().waitFor();
  await page.getByText(/ read → .* compressed and encrypted → .* sent/).waitFor();
  const bar = page.getByRole('progressbar', { name: 'Offsite' });
  expect(await bar.getAttribute('aria-valuetext')).toMatch(/(waiting|uploading|verifying|verified)$/);
  await page.getByText(/(Dumping and uploading|Verifying)/).waitFor();
  await world.look('run, going');
  await page.getByText(/^[1-3] of /).waitFor({ timeout: 30_000 });
  await page.getByRole('button', { name: 'Cancel run…' }).click();
  await page
    .getByRole('dialog')
    .getByText(/progress (of the current database )?is lost/i)
    .waitFor();
  await page.getByRole('button', { name: 'Cancel run', exact: true }).click();
  await page.getByText('Cancelled', { exact: true }).waitFor({ timeout: 30_000 });
  await page.getByText('Cancelled: nothing was left behind.').first().waitFor();
  await world.look('run, cancelled');
  await world.emulator('PUT', 'weather', 'none');
  expect(world.complaints).toEqual([]);
});
