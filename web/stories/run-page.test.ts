/** A run's page: what happened, once, and the ways on. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { until, World } from './world';

let world: World;
let offsite: string;
let job: string;
beforeAll(async () => {
  world = await World.start();
  const { source, destination } = await world.ready();
  offsite = destination;
  const folder = join(world.folder, 'disk');
  mkdirSync(folder);
  const disk = await world.ask('POST', '/api/destinations', {
    name: 'Disk',
    settings: { type: 'folder', path: folder },
  });
  const both = { name: 'shop', sourceId: source, destinationIds: [disk.id, offsite] };
  job = (await world.ask('POST', '/api/jobs', both)).id;
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await world.page.screenshot({ path: 'artifacts/failed run page.png' });
  expect(world.complaints).toEqual([]);
});
afterAll(async () => {
  await world?.stop();
});

interface Run {
  id: string;
  state: string;
  error?: string;
}

async function ended(id: string): Promise<Run> {
  let run: Run | undefined;
  await until(async () => {
    run = await world.ask<Run>('GET', `/api/runs/${id}`);
    return run.state !== 'queued' && run.state !== 'running';
  });
  return run as Run;
}

test('a backup that lacks a copy says why once, and leads to the cure', async () => {
  const { page } = world;
  const { id } = await world.ask('POST', `/api/jobs/${job}/run`);
  const { error } = await ended(id);
  await page.goto(`${world.url}/runs/${id}`);
  const outcome = page.getByRole('region', { name: 'Outcome' });
  await outcome.getByRole('heading', { name: 'Backed up in part: 1 of 2 copies complete.' }).waitFor();
  await outcome.getByRole('link', { name: 'Authorize' }).waitFor();
  // It would come to the same.
  expect(await outcome.getByRole('button', { name: 'Run again' }).count()).toBe(0);
  const cause = /not authorized yet/;
  expect(error).toMatch(cause);
  const told = await page.locator('main').evaluate((main) => {
    const copy = main.cloneNode(true) as HTMLElement;
    copy.querySelector('[role=log]')?.remove();
    return copy.textContent ?? '';
  });
  expect(told.match(/not authorized yet/g)?.length).toBe(1);
  await world.look('run, one copy missing');
  await outcome.getByRole('link', { name: 'Authorize' }).click();
  await page.locator('main').getByText('Authorization required').first().waitFor();
  await world.authorize(offsite);
});

test('a run is run again from its page, and compared with the one before', async () => {
  const { page } = world;
  const { items } = await world.ask<{ items: Run[] }>('GET', `/api/runs?jobId=${job}`);
  await page.goto(`${world.url}/runs/${items[0]?.id}`);
  await page.getByRole('button', { name: 'Run again' }).click();
  await page.getByRole('heading', { name: '1 database backed up to 2 destinations.' }).waitFor({ timeout: 30_000 });
  await page.getByRole('link', { name: 'Restore…' }).waitFor();
  const second = await world.ask('POST', `/api/jobs/${job}/run`);
  await ended(second.id);
  await page.goto(`${world.url}/runs/${second.id}`);
  await page.getByRole('link', { name: 'same as before' }).click();
  await page.waitForURL((url) => !url.pathname.endsWith(second.id));
  await world.look('run, succeeded');
  await page.getByRole('link', { name: 'Restore…' }).click();
  await page.getByRole('heading', { name: 'Restore shop' }).waitFor();
});

test('the log by level, and as a file', async () => {
  const { page } = world;
  const { items } = await world.ask<{ items: Run[] }>('GET', `/api/runs?jobId=${job}`);
  const failed = items.at(-1);
  await page.goto(`${world.url}/runs/${failed?.id}`);
  const lines = page.getByRole('log').getByRole('listitem');
  await lines.filter({ hasText: 'not authorized yet' }).first().waitFor();
  await page.getByRole('log').getByRole('link', { name: 'View Offsite' }).first().waitFor();
  const all = await lines.count();
  await page.getByLabel('Level').selectOption('Errors');
  await until(async () => (await lines.count()) < all);
  const saved = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Download log' }).click();
  const text = readFileSync((await (await saved).path()) ?? '', 'utf8');
  expect(text).toContain('not authorized yet');
  expect(text.trimEnd().split('\n').length).toBe(all);
});

test('cancelling asks, is no failure, and offers another run', async () => {
  const { page } = world;
  await world.emulator('PUT', 'weather', 'latency=6000ms');
  const { id } = await world.ask('POST', `/api/jobs/${job}/run`);
  await page.goto(`${world.url}/runs/${id}`);
  await page.getByRole('button', { name: 'Cancel run…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Cancel this run?' });
  await dialog.getByText(/Progress is lost|It has not started yet/).waitFor();
  await page.screenshot({ path: 'artifacts/run, cancel.png' });
  await dialog.getByRole('button', { name: 'Keep running' }).click();
  expect(['queued', 'running']).toContain((await world.ask<Run>('GET', `/api/runs/${id}`)).state);
  await page.getByRole('button', { name: 'Cancel run…' }).click();
  await dialog.getByRole('button', { name: 'Cancel run', exact: true }).click();
  await page.getByRole('heading', { name: 'This run was cancelled.' }).waitFor({ timeout: 60_000 });
  await world.emulator('PUT', 'weather', 'none');
  await world.look('run, cancelled by hand');
  await page.goto(world.url);
  await page.getByRole('heading', { name: /^Your database is backed up/ }).waitFor();
  await page.goto(`${world.url}/runs/${id}`);
  await page.getByRole('button', { name: 'Run again' }).click();
  await page.getByRole('heading', { name: '1 database backed up to 2 destinations.' }).waitFor({ timeout: 30_000 });
});

test('a role is stored once it is confirmed, and the page shows what is stored', async () => {
  const { page } = world;
  await world.ask('POST', '/api/users', { name: 'bob', password: 'another long phrase', role: 'viewer' });
  await page.goto(`${world.url}/people?tab=users`);
  const role = page.getByLabel('Role of bob', { exact: true });
  await role.selectOption('administrator');
  const dialog = page.getByRole('dialog', { name: 'Change the role of bob?' });
  await dialog.getByText('Administrator: full access').waitFor();
  await world.look('role, change');
  expect(await role.inputValue()).toBe('viewer');
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await role.selectOption('operator');
  await dialog.getByRole('button', { name: 'Change role' }).click();
  await page.getByText('bob: role is now Operator').waitFor();
  expect(await role.inputValue()).toBe('operator');
  // The last administrator stays one.
  await page.getByLabel('Role of anna', { exact: true }).selectOption('viewer');
  const own = page.getByRole('dialog', { name: 'Change the role of anna?' });
  await own.getByRole('button', { name: 'Change role' }).click();
  await own.getByRole('alert').waitFor();
  await own.getByRole('button', { name: 'Cancel' }).click();
  expect(await page.getByLabel('Role of anna', { exact: true }).inputValue()).toBe('administrator');
});
