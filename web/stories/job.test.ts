/** The page about a job: how it stands, what it did, what it keeps, and what can be done with it. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { far } from './schedules';
import { until, World } from './world';

let world: World;
let job: string;
let model: Record<string, unknown> & { id: string; state: string };
const DAY = 86_400_000;

beforeAll(async () => {
  world = await World.start();
  const { source, destination } = await world.ready();
  await world.authorize(destination);
  mkdirSync(join(world.folder, 'disk'));
  const settings = { type: 'folder', path: join(world.folder, 'disk') };
  const disk = (await world.ask('POST', '/api/destinations', { name: 'NAS', settings })).id;
  const schedule = far();
  const destinationIds = [disk, destination];
  job = (await world.ask('POST', '/api/jobs', { name: 'Shop nightly', sourceId: source, destinationIds, schedule })).id;
});
afterEach(async ({ task }) => {
  await world.page.unrouteAll({ behavior: 'ignoreErrors' });
  if (task.result?.state === 'fail') await world.page.screenshot({ path: `artifacts/failed job.png` });
  expect(world.complaints).toEqual([]);
});
afterAll(async () => {
  await world?.stop();
});

const fact = (label: string) => world.page.locator('.fact', { has: world.page.getByText(label, { exact: true }) });

test('a job that has never run says so; a run shows while it goes on and counts when it is over', async () => {
  const { page } = world;
  await page.goto(`${world.url}/jobs/${job}`);
  await page.getByText('Not run yet').waitFor();
  await page.getByText('No good backup yet').waitFor();
  await world.look('job, new');
  await page.getByRole('button', { name: 'Back up now' }).click();
  await fact('Copies').getByText('2 of 2').waitFor();
  await fact('Last good backup')
    .getByText(/now|sec/)
    .waitFor();
  const backups = page.getByRole('region', { name: 'Backups' });
  await backups.getByRole('link', { name: 'Restore…' }).waitFor();
  expect(await backups.locator('tbody tr').count()).toBe(1);
  const runs = await world.ask<{ items: (typeof model)[] }>('GET', `/api/runs?jobId=${job}`);
  model = runs.items[0] as typeof model;
  expect(model.state).toBe('succeeded');
});

/** Answers with 80 days of history: growing, with a failure, and at last 40% smaller and three times as slow. */
async function withHistory() {
  const { page } = world;
  const MIB = 1024 * 1024;
  const start = (day: number) => Date.now() - (79 - day) * DAY - 3_600_000;
  const items = Array.from({ length: 80 }, (_, day) => {
    const isLast = day === 79;
    const stored = Math.round((isLast ? 0.587 : 1) * 400 * MIB * 1.002 ** day);
    const seconds = (isLast ? 1800 : 600) + (day % 7) * 5;
    const startedAt = new Date(start(day)).toISOString();
    const finishedAt = new Date(start(day) + seconds * 1000).toISOString();
    const state = day === 70 ? 'failed' : 'succeeded';
    const error = day === 70 ? "could not open '/srv/shop.db': the file is locked by another process" : undefined;
    const more = { state, error, startedAt, finishedAt, createdAt: startedAt, cause: 'schedule' };
    const id = isLast ? model.id : `0${day}`;
    return { ...model, ...more, id, dumpedBytes: stored * 4, storedBytes: stored };
  }).reverse();
  await page.route(`**/api/runs?jobId=${job}*`, (route) => route.fulfill({ json: { items } }));
  await page.route(`**/api/jobs/${job}?*`, async (route) => {
    const shown = await (await route.fetch()).json();
    const last = Date.parse(shown.today);
    shown.days = Array.from({ length: 80 }, (_, index) => {
      const date = new Date(last - (79 - index) * DAY).toISOString().slice(0, 10);
      if (index === 70) return { date, failed: 1, runId: model.id };
      if (index === 40) return { date, missed: true };
      if (index === 55) return { date, partial: 1, runId: model.id };
      return { date, succeeded: 1, withWarnings: Number(index === 20), runId: model.id, storedBytes: 1 };
    });
    await route.fulfill({ json: shown });
  });
}

test('what is unusual is marked, and how that is reckoned is said', async () => {
  const { page } = world;
  await withHistory();
  await page.goto(`${world.url}/jobs/${job}`);
  await fact('Size').getByText('40% below usual').waitFor();
  await fact('Duration')
    .getByText(/times the usual/)
    .waitFor();
  const history = page.getByRole('region', { name: 'Size, duration and rate' });
  await history.getByText('of the 20 good runs before').waitFor();
  await history.getByRole('img', { name: /^Size: 79 runs, .* 1 unusual$/ }).waitFor();
  await history.getByRole('listitem').filter({ hasText: 'size' }).getByText('40% below usual').waitFor();
  await page.getByText('77 succeeded · 1 partial · 1 failed · 1 missed').waitFor();
  await world.look('job');
  await page.setViewportSize({ width: 390, height: 2600 });
  await page.screenshot({ path: 'artifacts/job, whole phone.png' });
  await page.setViewportSize({ width: 1440, height: 1500 });
  await page.screenshot({ path: 'artifacts/job, whole desktop.png' });
  await page.setViewportSize({ width: 1280, height: 860 });
});

test('the days can be walked through by keyboard, one stop for all of them', async () => {
  const { page } = world;
  await withHistory();
  await page.goto(`${world.url}/jobs/${job}`);
  const days = page.getByRole('region', { name: 'Last 90 days' });
  await days.getByRole('slider').focus();
  await days.getByText(/: 1 succeeded$/).waitFor();
  for (let step = 0; step < 9; step++) await page.keyboard.press('ArrowLeft');
  await days.getByText(/: 1 failed$/).waitFor();
  await page.keyboard.press('Home');
  await days.getByText(/: no runs$/).waitFor();
  expect(await days.locator('[tabindex="0"]').count()).toBe(1);
});

test('it is paused, edited at its own address, restored from and removed', async () => {
  const { page } = world;
  await page.goto(`${world.url}/jobs/${job}`);
  await page.getByRole('button', { name: 'More for Shop nightly' }).click();
  await page.getByRole('menuitem', { name: 'Pause' }).click();
  await fact('Next run').getByText('Paused').waitFor();
  await page.getByRole('link', { name: 'Edit', exact: true }).first().click();
  await page.waitForURL(/\/edit$/);
  await page.getByLabel('Name').fill('Shop every night');
  await page.getByRole('button', { name: 'Save job' }).click();
  await page.getByRole('heading', { level: 1, name: 'Shop every night' }).waitFor();
  expect(new URL(page.url()).pathname).toBe(`/jobs/${job}`);
  await world.ask('PATCH', `/api/jobs/${job}`, { name: 'Shop nightly' });
  await page.reload();
  await page.getByRole('link', { name: 'Restore…' }).first().click();
  await page.waitForURL(/\/backups\/restore\?/);
  await page.goBack();
  await page.getByRole('button', { name: 'More for Shop nightly' }).click();
  await page.getByRole('menuitem', { name: 'Remove…' }).click();
  await page.getByRole('button', { name: 'Remove job' }).click();
  await page.waitForURL(/\/jobs$/);
  await until(async () => (await world.ask<{ items: object[] }>('GET', '/api/jobs')).items.length === 0);
});
