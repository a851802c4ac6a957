/** The list of jobs: what scales in the eye, and what is done to many at once. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { far } from './schedules';
import { until, World } from './world';

let world: World;
let source: string;
let destination: string;
let disk: string;
interface Job {
  id: string;
  name: string;
  enabled: boolean;
  destinationIds: string[];
  revision: number;
  schedule?: { cron: string };
  lastRun?: { state: string };
}
const all = async () => (await world.ask<{ items: Job[] }>('GET', '/api/jobs?limit=200')).items;
const byName = async (name: string) => (await all()).find((job) => job.name === name) as Job;

beforeAll(async () => {
  world = await World.start();
  ({ source, destination } = await world.ready());
  await world.authorize(destination);
  mkdirSync(join(world.folder, 'disk'));
  const settings = { type: 'folder', path: join(world.folder, 'disk') };
  disk = (await world.ask('POST', '/api/destinations', { name: 'NAS', settings })).id;
  const gone = { name: 'Keycloak', settings: { type: 'sqlite', path: join(world.folder, 'gone.db') } };
  const broken = (await world.ask('POST', '/api/sources', gone)).id;
  const schedule = far();
  const add = (name: string, sourceId: string, rest: object = {}) =>
    world.ask('POST', '/api/jobs', { name, sourceId, destinationIds: [disk], schedule, ...rest });
  const names = ['Analytics', 'Billing', 'Home Assistant', 'Invoices', 'Mattermost', 'Nextcloud', 'Shop nightly'];
  const ids: string[] = [];
  for (const name of names) ids.push((await add(name, source)).id);
  ids.push((await add('Keycloak weekly', broken)).id, (await add('Keycloak nightly', broken)).id);
  await add('Archive', source, { enabled: false });
  await add('Wiki', source, { schedule: null });
  for (const id of ids) await world.ask('POST', `/api/jobs/${id}/run`);
  await until(
    async () => (await all()).filter(({ lastRun }) => /succeeded|failed/.test(lastRun?.state ?? '')).length === 9,
  );
});
afterEach(async ({ task }) => {
  await world.page.unrouteAll({ behavior: 'ignoreErrors' });
  if (task.result?.state === 'fail')
    await world.page.screenshot({ path: `artifacts/failed ${task.name.slice(0, 12)}.png` });
  expect(world.complaints).toEqual([]);
});
afterAll(async () => {
  await world?.stop();
});

const rows = () => world.page.locator('tbody > tr[data-key]');
const names = () => rows().locator('.row-link.name').allTextContents();

test('trouble comes first; chips count and filter, the address keeps filter, search and order', async () => {
  const { page } = world;
  await page.goto(`${world.url}/jobs`);
  await rows().first().waitFor();
  expect((await names()).slice(0, 3)).toEqual(['Keycloak nightly', 'Keycloak weekly', 'Wiki']);
  await world.look('jobs, list');
  await page.getByRole('button', { name: 'Failed 2' }).click();
  expect(await names()).toEqual(['Keycloak nightly', 'Keycloak weekly']);
  expect(new URL(page.url()).searchParams.get('state')).toBe('failed');
  await page.getByRole('button', { name: 'Good 7' }).click();
  const head = page.getByRole('columnheader', { name: 'Job' });
  await head.getByRole('button').click();
  expect(await head.getAttribute('aria-sort')).toBe('ascending');
  await head.getByRole('button').press('Enter');
  expect(await head.getAttribute('aria-sort')).toBe('descending');
  expect((await names()).slice(0, 2)).toEqual(['Shop nightly', 'Nextcloud']);
  await page.getByLabel('Filter jobs').fill('in');
  await page.getByRole('button', { name: 'Good 2' }).waitFor();
  const kept = new URL(page.url()).search;
  expect(kept).toContain('state=good');
  expect(kept).toContain('sort=job');
  await page.reload();
  await rows().first().waitFor();
  expect(await names()).toEqual(['Invoices', 'Billing']);
  expect(new URL(page.url()).search).toBe(kept);
  await page.getByLabel('Filter jobs').fill('no such job');
  await page.getByRole('button', { name: 'Show all' }).click();
  expect(await rows().count()).toBe(11);
});

test('by keyboard: J and K move, X selects, Enter opens; in a field they are letters; they can be switched off', async () => {
  const { page } = world;
  await page.goto(`${world.url}/jobs?sort=job`);
  await rows().first().waitFor();
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await page.keyboard.press('k');
  await page.keyboard.press('j');
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Archive');
  await page.keyboard.press('x');
  await page.getByText('1 selected').waitFor();
  await page.keyboard.press('Escape');
  await page.getByText('1 selected').waitFor({ state: 'detached' });
  await page.keyboard.press('/');
  await page.keyboard.type('jx');
  expect(await page.getByLabel('Filter jobs').inputValue()).toBe('jx');
  await page.getByLabel('Filter jobs').fill('');
  await page.getByRole('link', { name: 'Billing' }).focus();
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/jobs\/[^/?]+$/);
  await page.evaluate(() => localStorage.setItem('shortcuts', 'off'));
  await page.goto(`${world.url}/jobs`);
  await rows().first().waitFor();
  await page.keyboard.press('j');
  expect(await page.evaluate(() => document.activeElement?.tagName)).toBe('BODY');
  await page.evaluate(() => localStorage.removeItem('shortcuts'));
});

test('the chosen ones are paused, resumed, changed and run; each outcome is told, and what failed can be retried', async () => {
  const { page } = world;
  await page.goto(`${world.url}/jobs?sort=job`);
  await page.getByRole('checkbox', { name: 'Select Billing' }).check();
  await page.getByRole('checkbox', { name: 'Select Invoices' }).click({ modifiers: ['Shift'] });
  await page.getByText('3 selected').waitFor();
  await world.look('jobs, chosen');
  const bar = page.getByRole('group', { name: 'Selected rows' });
  await bar.getByRole('button', { name: 'Pause' }).click();
  await page.getByText('3 jobs paused').waitFor();
  expect((await byName('Home Assistant')).enabled).toBe(false);

  await page.getByRole('button', { name: 'Paused 4' }).click();
  await page.getByRole('checkbox', { name: 'Select all 4' }).check();
  // Somebody else changes one of them meanwhile.
  const billing = await byName('Billing');
  await world.ask('PATCH', `/api/jobs/${billing.id}`, { timeoutSeconds: 3600 });
  await bar.getByRole('button', { name: 'Change…' }).click();
  const dialog = page.getByRole('dialog').first();
  await dialog.getByRole('checkbox', { name: 'Destinations' }).check();
  await dialog.getByRole('checkbox', { name: 'Offsite' }).check();
  await dialog.getByRole('checkbox', { name: 'Schedule' }).check();
  await dialog.getByLabel('Runs').selectOption({ label: 'Every few minutes or hours' });
  await world.look('jobs, change');
  await dialog.getByRole('button', { name: 'Change 4 jobs' }).click();
  await dialog.getByText('1 of 4 jobs failed.').waitFor();
  await dialog.getByText('Someone else changed this').waitFor();
  await world.look('jobs, outcomes');
  expect((await byName('Billing')).destinationIds).toEqual([disk]);
  expect((await byName('Archive')).destinationIds).toEqual([disk, destination]);
  await dialog.getByRole('button', { name: 'Retry 1 job' }).click();
  await page.getByText('1 job changed').waitFor();
  expect(await byName('Billing')).toMatchObject({
    destinationIds: [disk, destination],
    schedule: { cron: '0 * * * *' },
  });

  await page.getByRole('checkbox', { name: 'Select all 4' }).check();
  await bar.getByRole('button', { name: 'Resume' }).click();
  await page.getByText('4 jobs resumed').waitFor();
  await page.goto(`${world.url}/jobs`);
  for (const name of ['Archive', 'Wiki']) await page.getByRole('checkbox', { name: `Select ${name}` }).check();
  await bar.getByRole('button', { name: 'Back up now' }).click();
  await page.getByText('Backing up 2 jobs').waitFor();
  await page.getByRole('button', { name: 'Good 9' }).waitFor();
  for (const name of ['Keycloak nightly', 'Wiki']) {
    await page.getByRole('checkbox', { name: `Select ${name}` }).check();
  }
  await bar.getByRole('button', { name: 'Remove…' }).click();
  await dialog.getByRole('button', { name: 'Remove 2 jobs' }).click();
  await page.getByText('2 jobs removed.').waitFor();
  expect((await all()).length).toBe(9);
});

test('dense rows are 32 px high, comfortable ones 40; nothing wraps', async () => {
  const { page } = world;
  for (const [density, height] of [
    ['dense', 32],
    ['comfortable', 40],
  ] as const) {
    await page.evaluate((value) => localStorage.setItem('density', value), density);
    await page.goto(`${world.url}/jobs`);
    await rows().first().waitFor();
    const heights = await rows().evaluateAll((list) => list.map((row) => row.getBoundingClientRect().height));
    for (const found of heights) expect(found).toBeLessThanOrEqual(height + 1);
    await page.screenshot({ path: `artifacts/jobs, ${density}.png` });
  }
  await page.evaluate(() => localStorage.removeItem('density'));
});

test('on a phone what can be touched is 44 px high, and the header stays in sight on a desktop', async () => {
  const { page } = world;
  await page.setViewportSize({ width: 390, height: 844 });
  await page.goto(`${world.url}/jobs`);
  await rows().first().waitFor();
  const targets = page.locator('main :is(button, input, select, tbody a):visible');
  const small = await targets.evaluateAll((list) =>
    list.flatMap((element) => {
      const box = (element.closest('label') ?? element).getBoundingClientRect();
      return box.height < 43.5 ? [`${element.outerHTML.slice(0, 80)}: ${box.height}`] : [];
    }),
  );
  expect(small).toEqual([]);
  await page.setViewportSize({ width: 1280, height: 400 });
  await page.mouse.wheel(0, 300);
  await until(async () => (await page.evaluate(() => scrollY)) > 100);
  expect(
    await page
      .locator('th')
      .first()
      .evaluate((head) => head.getBoundingClientRect().top >= 0),
  ).toBe(true);
  await page.setViewportSize({ width: 1280, height: 860 });
});

test('every list is the same table: accessible, no wider than its page', async () => {
  const { page } = world;
  const lists = { sources: '/sources', destinations: '/destinations', runs: '/runs', users: '/people?tab=users' };
  for (const [name, path] of Object.entries({ ...lists, audit: '/people?tab=audit', overview: '/' })) {
    await page.setViewportSize({ width: 1280, height: 860 });
    await page.goto(world.url + path);
    await rows().first().waitFor();
    await world.look(`list, ${name}`);
  }
  await page.setViewportSize({ width: 1280, height: 860 });
});

test('10,000 jobs: at most 100 rows are in the document, and the whole list is searched and sorted', async () => {
  const { page } = world;
  await page.setViewportSize({ width: 1280, height: 860 });
  const [model] = await all();
  const items = Array.from({ length: 10_000 }, (_, index) => ({ ...model, id: `job-${index}`, name: `Job ${index}` }));
  await page.route('**/api/jobs?*', (route) => route.fulfill({ json: { items } }));
  await page.goto(`${world.url}/jobs?sort=job`);
  await rows().first().waitFor();
  expect(await rows().count()).toBe(100);
  expect(await page.getByRole('table').getAttribute('aria-rowcount')).toBe('10001');
  await page.getByRole('navigation', { name: 'Pages' }).getByText('1–100 of 10,000').waitFor();
  const times: Record<string, number> = {};
  const timed = async (what: string, act: () => Promise<unknown>) => {
    const start = performance.now();
    await act();
    times[what] = Math.round(performance.now() - start);
  };
  await timed('next page', async () => {
    await page.getByRole('button', { name: 'Next', exact: true }).click();
    await page.getByText('101–200 of 10,000').waitFor();
  });
  expect((await names())[0]).toBe('Job 100');
  await timed('sort', async () => {
    await page.getByRole('columnheader', { name: 'Job' }).getByRole('button').click();
    await page.getByRole('link', { name: 'Job 9999' }).waitFor();
  });
  await timed('search', async () => {
    await page.getByLabel('Filter jobs').fill('4711');
    await page.getByRole('link', { name: 'Job 4711' }).waitFor();
  });
  expect(await rows().count()).toBe(1);
  console.log('10,000 jobs, in milliseconds:', times);
});
