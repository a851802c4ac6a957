import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { far } from './schedules';
import { PASSWORD, World } from './world';

const LONG = `${'a-very-long-name-without-a-blank'.repeat(3)}abcd`;
const NAMES = [LONG, 'Магазин 🛒🚀 données', 'قاعدة بيانات المتجر'];

let world: World;
let destination: string;
let source: string;
beforeAll(async () => {
  world = await World.start();
  ({ destination, source } = await world.ready());
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await world.page.screenshot({ path: 'artifacts/failed hardship.png' });
});
afterAll(async () => {
  await world?.stop();
});

test('a page that loads slowly or not at all says so, and comes when it can', async () => {
  const { page } = world;
  let down = true;
  await page.route('**/api/sources?*', (route) => (down ? route.abort() : route.continue()));
  await page.goto(`${world.url}/sources`);
  await page.getByText('The server cannot be reached').waitFor();
  await world.look('sources, unreachable');
  down = false;
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByRole('link', { name: 'Shop' }).waitFor();
  await page.unroute('**/api/sources?*');

  let release = () => {};
  const gate = new Promise<void>((resolve) => (release = resolve));
  await page.route('**/api/jobs?*', async (route) => {
    await gate;
    await route.continue();
  });
  await page.goto(`${world.url}/jobs`);
  await page.getByText('Loading').waitFor({ state: 'attached' });
  release();
  await page.getByText('No job yet').waitFor();
  await page.unroute('**/api/jobs?*');
});

test('nothing typed is lost when saving fails, or the session ends in the middle', async () => {
  const { page } = world;
  await page.goto(`${world.url}/sources/new`);
  await page.getByLabel('Engine').selectOption('sqlite');
  await page.getByLabel('Name').fill('Second');
  await page.getByRole('textbox', { name: 'File' }).fill('not absolute');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('alert').first().waitFor();
  await world.look('source, refused');
  await page.getByRole('textbox', { name: 'File' }).fill(`${world.folder}/shop.db`);
  await page.route('**/api/sources', (route) => route.abort());
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByText('The server cannot be reached').waitFor();
  await page.unroute('**/api/sources');

  await world.context.clearCookies();
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  const dialog = page.getByRole('dialog', { name: 'You were signed out' });
  await dialog.waitFor();
  await world.look('signed out');
  await dialog.getByLabel('Name').fill('anna');
  await dialog.getByLabel('Password').fill(PASSWORD);
  await dialog.getByRole('button', { name: 'Sign in' }).click();
  await dialog.waitFor({ state: 'hidden' });
  expect(await page.getByLabel('Name').inputValue()).toBe('Second');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByText('Source saved').waitFor();
});

test('a half-filled form asks before it is left', async () => {
  const { page } = world;
  await page.goto(`${world.url}/jobs/new`);
  await page.getByLabel('Name').fill('half');
  page.once('dialog', (question) => void question.dismiss());
  await page.getByRole('link', { name: 'Sources' }).click();
  expect(await page.getByLabel('Name').inputValue()).toBe('half');
  page.once('dialog', (question) => void question.accept());
  await page.getByRole('link', { name: 'Sources' }).click();
  await page.getByRole('heading', { name: 'Sources' }).waitFor();
});

test('200 databases, 50 jobs, and names of any length and script', async () => {
  const { page } = world;
  await world.authorize(destination);
  const databases = Array.from({ length: 200 }, (_, index) => `tenant_${index}_of_the_company`);
  const settings = { type: 'postgres', host: '127.0.0.1', port: 1, user: 'dbackup' };
  const server = await world.ask('POST', '/api/sources', { name: `${LONG} pg`.slice(0, 100), settings });
  const many = { name: 'tenants', sourceId: server.id, destinationIds: [destination], databases };
  const job = await world.ask('POST', '/api/jobs', many);
  for (const name of NAMES) {
    await world.ask('POST', '/api/jobs', { name, sourceId: source, destinationIds: [destination] });
  }
  const schedule = far();
  for (let index = 0; index < 50; index++) {
    const name = `job ${index}`;
    await world.ask('POST', '/api/jobs', { name, sourceId: source, destinationIds: [destination], schedule });
  }
  const { items } = await world.ask<{ items: { id: string; name: string }[] }>('GET', '/api/jobs?limit=200');
  for (const { id, name } of items) if (NAMES.includes(name)) await world.ask('POST', `/api/jobs/${id}/run`);
  await world.ask('POST', `/api/jobs/${job.id}/run`);

  await page.goto(`${world.url}/jobs`);
  await page.getByLabel('Filter jobs').fill('متجر');
  await page
    .getByText(NAMES[2] ?? '')
    .first()
    .waitFor();
  expect(await page.getByRole('row').count()).toBe(2);
  await page.getByLabel('Filter jobs').fill('');
  await page.getByRole('cell').getByText('Failed').first().waitFor();
  await world.look('jobs, many');
  await page.goto(`${world.url}/jobs/${job.id}/edit`);
  await page.getByText('tenant_199_of_the_company').first().waitFor();
  await world.look('job, 200 databases');
  for (const [path, name] of [
    ['/?show=all', 'overview, many'],
    ['/runs', 'runs, many'],
    ['/backups', 'backups, many'],
  ]) {
    await page.goto(world.url + path);
    const cells = page.getByRole('cell');
    // The overview shows its jobs a part at a time, the most urgent first.
    await (name === 'overview, many' ? cells : cells.getByText(NAMES[1] ?? '')).first().waitFor();
    await world.look(name ?? '');
  }
}, 240_000);

test('100,000 backups: a hundred rows a page, each page from the server', async () => {
  const { page } = world;
  const ALL = 100_000;
  const found = (url: URL) => (url.searchParams.get('search') ? 1 : ALL);
  await page.route('**/api/backups/summary*', async (route) => {
    const copies = found(new URL(route.request().url()));
    await route.fulfill({ json: { copies, size: copies * 1024 } });
  });
  let read = 0;
  await page.route('**/api/backups?*', async (route) => {
    const url = new URL(route.request().url());
    const limit = Number(url.searchParams.get('limit'));
    const begin = Number(url.searchParams.get('cursor') ?? 0);
    const items = Array.from({ length: Math.min(limit, found(url)) }, (_, index) => {
      const time = new Date(Date.UTC(2026, 0, 1) - (begin + index) * 60_000).toISOString();
      return {
        id: String(begin + index),
        backupId: String(begin + index),
        destinationId: 'd',
        destination: 'Disk',
        path: `shop/backup_${begin + index}.db.zst.age`,
        state: 'present',
        stateAt: time,
        job: 'shop',
        engine: 'SQLite',
        time,
        size: 1024,
        encrypted: true,
        sidecar: 'read',
        firstSeenAt: time,
        lastSeenAt: time,
      };
    });
    read += items.length;
    const nextCursor = begin + limit < found(url) ? String(begin + limit) : undefined;
    await route.fulfill({ json: { items, nextCursor } });
  });
  await page.goto(`${world.url}/backups`);
  const pages = page.getByRole('navigation', { name: 'Pages' });
  await pages.getByText('1–100 of 100,000').waitFor();
  expect(read).toBe(100);
  expect(await page.locator('tbody tr[data-key]').count()).toBe(100);
  await pages.getByRole('button', { name: 'Next' }).click();
  await pages.getByText('101–200 of 100,000').waitFor();
  await page.locator('tbody a[href*="backup_199."]').first().waitFor();
  // Found again at its address.
  await page.reload();
  await pages.getByText('101–200 of 100,000').waitFor();
  await page.getByRole('columnheader', { name: 'Size' }).getByRole('button').click();
  await page.getByText('Too many to sort by size').waitFor();
  await page.getByLabel('Filter backups').fill('shop/backup_777.');
  await page.getByText('1 backup ·').waitFor();
  await page.unroute('**/api/backups?*');
  await page.unroute('**/api/backups/summary*');
});

test('a viewer sees everything and is offered nothing that would be refused', async () => {
  await world.ask('POST', '/api/users', { name: 'vera', password: PASSWORD, role: 'viewer' });
  const context = await world.visitor();
  const page = await context.newPage();
  await page.goto(world.url);
  await page.getByLabel('Name').fill('vera');
  await page.getByLabel('Password').fill('a wrong password');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('alert').first().waitFor();
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
  const things = [`/sources/${source}`, `/databases?source=${source}`, `/destinations/${destination}`];
  for (const path of ['/jobs', '/sources', '/destinations', '/profiles', '/backups', '/runs', ...things]) {
    await page.goto(world.url + path);
    await page.getByRole('heading', { level: 1 }).waitFor();
    for (const act of ['Add job', 'Add source', 'Add destination', 'Add profile', 'Back up now', 'Save', 'Restore…']) {
      expect(
        await page
          .getByRole('button', { name: act })
          .or(page.getByRole('link', { name: act }))
          .count(),
        act,
      ).toBe(0);
    }
  }
  await context.close();
});

test('eight tabs share one stream of events, and all of them are live', async () => {
  const { page } = world;
  const shop = await world.ask('POST', '/api/jobs', { name: 'live', sourceId: source, destinationIds: [destination] });
  const tabs = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const tab = await world.context.newPage();
      await tab.goto(`${world.url}/jobs`);
      await tab.getByLabel('Filter jobs').fill('live');
      await tab.getByRole('link', { name: 'live', exact: true }).waitFor();
      return tab;
    }),
  );
  await world.ask('POST', `/api/jobs/${shop.id}/run`);
  for (const tab of tabs) {
    await tab.getByText('Succeeded').first().waitFor();
    await tab.close();
  }
  await page.goto(world.url);
  expect(world.complaints).toEqual([]);
});
