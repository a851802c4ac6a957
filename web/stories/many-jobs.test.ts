/** The first page with many jobs: what is wrong by its cause, what is good folded. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { makeDatabase } from './sqlite';
import { until, World } from './world';

let world: World;
const GOOD = 50;
const LONG = 'an offsite storage with a name that no phone has the width for, because nobody asked for a short one';

beforeAll(async () => {
  world = await World.start();
  const { source, destination } = await world.ready();
  const folder = join(world.folder, 'disk');
  mkdirSync(folder);
  const disk = await world.ask('POST', '/api/destinations', {
    name: 'Disk',
    settings: { type: 'folder', path: folder },
  });
  await world.ask('PATCH', `/api/destinations/${destination}`, { name: LONG });
  const gone = join(world.folder, 'gone.db');
  makeDatabase(gone);
  const broken = await world.ask('POST', '/api/sources', { name: 'Gone', settings: { type: 'sqlite', path: gone } });
  const profile = await world.ask('POST', '/api/profiles', { name: 'company' });
  rmSync(gone);
  const jobs: string[] = [];
  const job = async (name: string, more: object) => {
    const made = await world.ask('POST', '/api/jobs', { name, sourceId: source, destinationIds: [disk.id], ...more });
    jobs.push(made.id);
    return made.id;
  };
  for (let index = 1; index <= GOOD; index += 1) {
    await job(`customer ${String(index).padStart(2, '0')}`, { profileId: profile.id });
  }
  for (const name of ['keycloak', 'payroll', 'plausible', 'redmine'])
    await job(name, { destinationIds: [destination] });
  for (const name of ['orders', 'stock']) await job(name, { sourceId: broken.id });
  for (const id of jobs) await world.ask('POST', `/api/jobs/${id}/run`);
  for (const name of ['archive', 'old shop', 'staging']) await job(name, { enabled: false });
  await until(async () => {
    const { items } = await world.ask<{ items: unknown[] }>('GET', '/api/runs?state=queued,running');
    return items.length === 0;
  }, 90_000);
}, 150_000);
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await world.page.screenshot({ path: 'artifacts/failed many jobs.png' });
  expect(world.complaints).toEqual([]);
});
afterAll(async () => {
  await world?.stop();
});

test('trouble stands first, by its cause, and what is good is folded', async () => {
  const { page } = world;
  await page.goto(world.url);
  await page.getByRole('heading', { name: '6 of 56 databases need attention.' }).waitFor();
  const causes = page.getByRole('region', { name: 'What needs attention' });
  const waiting = causes.getByRole('listitem').filter({ hasText: 'needs authorization' });
  await waiting.getByText('4 jobs wait for it.').waitFor();
  for (const name of ['keycloak', 'payroll', 'plausible', 'redmine'])
    await waiting.getByRole('link', { name }).waitFor();
  await waiting.getByRole('button', { name: /^Authorize/ }).waitFor();
  // A new run cannot help there.
  expect(await waiting.getByRole('button', { name: /^Back up/ }).count()).toBe(0);
  const failed = causes.getByRole('listitem').filter({ hasText: '2 jobs failed at Gone' });
  await failed.getByRole('button', { name: 'Back up 2 jobs now' }).waitFor();
  await causes.getByText('The key of company exists only on this server').waitFor();
  await page.getByText(`${GOOD} jobs are backed up`).waitFor();
  expect(await page.getByRole('region', { name: 'Jobs' }).getByRole('link', { name: 'customer' }).count()).toBe(0);
  await world.look('overview, many jobs');
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.getByText(`${GOOD} jobs are backed up`).scrollIntoViewIfNeeded();
  expect(await page.evaluate(() => document.documentElement.scrollHeight)).toBeLessThan(2000);
  await page.screenshot({ path: 'artifacts/overview, many jobs 1440.png', fullPage: true });
});

test('chips narrow the list, in the address', async () => {
  const { page } = world;
  await page.goto(world.url);
  await page.getByRole('button', { name: 'Paused 3' }).click();
  await page.getByRole('link', { name: 'old shop' }).waitFor();
  expect(await page.getByRole('link', { name: 'orders' }).count()).toBe(1);
  expect(new URL(page.url()).search).toBe('?show=paused');
  await page.reload();
  await page.getByRole('link', { name: 'staging' }).waitFor();
  await page.getByRole('button', { name: 'All 59' }).click();
  for (const last of ['customer 40', 'customer 50']) {
    await page.getByRole('button', { name: 'Show more' }).click();
    await page.getByRole('link', { name: last }).waitFor();
  }
  await page.getByRole('link', { name: 'customer 50' }).waitFor();
  await world.look('overview, all jobs');
});

test('the days and the chart are read by keyboard', async () => {
  const { page } = world;
  await page.goto(`${world.url}/?show=good`);
  const strip = page.getByRole('slider', { name: /of customer 01/ });
  await strip.focus();
  expect(await strip.getAttribute('aria-valuetext')).toContain('1 succeeded');
  await page.keyboard.press('ArrowLeft');
  expect(await strip.getAttribute('aria-valuetext')).toContain('no runs');
  await page.keyboard.press('End');
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/runs\//);
  await page.goto(world.url);
  const chart = page.getByRole('slider', { name: 'Bytes stored per day by successful runs' });
  await chart.focus();
  // Days are those of the jobs: this browser's may have begun already.
  if ((await chart.getAttribute('aria-valuetext'))?.endsWith(': 0 B')) await page.keyboard.press('ArrowLeft');
  expect(await chart.getAttribute('aria-valuetext')).toMatch(/[KM]iB$/);
  await page.screenshot({ path: 'artifacts/overview, chart read.png' });
});

test('what a run came to replaces the toast that it has started', async () => {
  const { page } = world;
  await page.goto(world.url);
  await page.getByRole('button', { name: 'Back up 2 jobs now' }).click();
  const toasts = page.locator('[data-sonner-toast]');
  await toasts.filter({ hasText: /Backup of orders failed/ }).waitFor();
  await toasts.filter({ hasText: /Backup of stock failed/ }).waitFor();
  expect(await toasts.filter({ hasText: /is running|is queued/ }).count()).toBe(0);
  await page.screenshot({ path: 'artifacts/toasts.png' });
  const { right } = await toasts.first().evaluate((toast) => toast.getBoundingClientRect());
  const { left } = await page.locator('main .page').evaluate((content) => content.getBoundingClientRect());
  expect(right).toBeLessThanOrEqual(left);
});
