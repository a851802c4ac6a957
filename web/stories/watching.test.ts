/** What is looked at from afar: the wall, the timeline, notifications, paper, and the help beside each page. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { until, World } from './world';

let world: World;
let good: string;
beforeAll(async () => {
  world = await World.start();
  const { source } = await world.ready();
  mkdirSync(join(world.folder, 'disk'));
  const settings = { type: 'folder', path: join(world.folder, 'disk') };
  const disk = (await world.ask('POST', '/api/destinations', { name: 'NAS', settings })).id;
  const gone = { name: 'Keycloak', settings: { type: 'sqlite', path: join(world.folder, 'gone.db') } };
  const broken = (await world.ask('POST', '/api/sources', gone)).id;
  // In half an hour, whenever the story runs.
  const soon = new Date(Date.now() + 30 * 60_000);
  const schedule = { cron: `${soon.getUTCMinutes()} ${soon.getUTCHours()} * * *`, timeZone: 'UTC' };
  const add = async (name: string, sourceId: string, more = {}) =>
    (await world.ask('POST', '/api/jobs', { name, sourceId, destinationIds: [disk], schedule, ...more })).id;
  good = await add('Shop nightly', source);
  const others = [await add('Shop weekly', source), await add('Keycloak', broken)];
  // Every hour, half an hour from now at the earliest.
  await add('Wiki', source, { schedule: { cron: `${soon.getUTCMinutes()} * * * *`, timeZone: 'UTC' } });
  await add('Archive', source, { enabled: false });
  for (const id of [good, ...others]) await world.ask('POST', `/api/jobs/${id}/run`);
  const jobs = () => world.ask<{ items: { lastRun?: { finishedAt?: string } }[] }>('GET', '/api/jobs');
  await until(async () => (await jobs()).items.filter(({ lastRun }) => lastRun?.finishedAt).length === 3);
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail')
    await world.page.screenshot({ path: `artifacts/failed ${task.name.slice(0, 20)}.png`, fullPage: true });
  expect(world.complaints).toEqual([]);
});
afterAll(async () => {
  await world?.stop();
});

test('the wall has the sentence and the jobs, those in trouble first, and nothing else', async () => {
  const { page } = world;
  await page.goto(`${world.url}/wall`);
  await page.getByRole('heading', { level: 2, name: /needs? attention/ }).waitFor();
  expect(await page.getByRole('navigation', { name: 'Main' }).isVisible()).toBe(false);
  const tiles = page.getByRole('list', { name: 'Jobs' }).getByRole('listitem');
  expect(await tiles.first().textContent()).toMatch(/Keycloak\s*Failed/);
  await tiles.filter({ hasText: 'Archive' }).getByText('Paused').waitFor();
  await world.look('wall');
  await page.route('**/api/jobs?*', (route) => route.fulfill({ status: 503, json: {} }));
  await page.reload();
  await page.getByText('The server answered with status 503.').waitFor();
  await page.unroute('**/api/jobs?*');
  await page.getByRole('button', { name: 'Try again' }).click();
  await tiles.first().waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('navigation', { name: 'Main' }).waitFor();
});

test('the timeline shows what ran and what will run, and names what overlaps', async () => {
  const { page } = world;
  await page.goto(`${world.url}/timeline`);
  await page.getByText(/\d+ runs planned\./).waitFor();
  const overlaps = page.getByRole('region', { name: 'Overlaps' });
  await overlaps.getByRole('link', { name: 'Shop weekly' }).first().waitFor();
  expect(await page.getByRole('link', { name: 'Archive' }).count()).toBe(0);
  await world.look('timeline');
});

test('a run that is watched tells its end in the browser’s own notification', async () => {
  const { page } = world;
  await world.context.grantPermissions(['notifications'], { origin: world.url });
  await page.addInitScript(() => {
    const told: string[] = ((window as unknown as { told: string[] }).told = []);
    class Note {
      static permission = 'granted';
      static requestPermission = () => Promise.resolve('granted');
      onclick: unknown;
      constructor(title: string) {
        told.push(title);
      }
      close() {}
    }
    Object.defineProperty(window, 'Notification', { value: Note });
  });
  // Held until it is watched: the run has ended long before.
  let release = () => {};
  const gate = new Promise<void>((resolve) => (release = resolve));
  const { id } = await world.ask('POST', `/api/jobs/${good}/run`);
  await until(async () => /succeeded/.test((await world.ask<{ state: string }>('GET', `/api/runs/${id}`)).state));
  const ended = await world.ask<object>('GET', `/api/runs/${id}`);
  await page.route(`**/api/runs/${id}`, (route) =>
    route.fulfill({ json: { ...ended, state: 'running', finishedAt: null, result: null } }),
  );
  await page.route('**/api/events', async (route) => {
    await gate;
    await route.fulfill({
      contentType: 'text/event-stream',
      body: `event: state\ndata: ${JSON.stringify(ended)}\n\n`,
    });
  });
  await page.goto(`${world.url}/runs/${id}`);
  await page.getByRole('button', { name: 'Notify me' }).click();
  await page.getByRole('button', { name: 'Stop notifying' }).waitFor();
  release();
  await until(() => page.evaluate(() => (window as unknown as { told: string[] }).told.length > 0));
  expect(await page.evaluate(() => (window as unknown as { told: string[] }).told)).toEqual(['Shop nightly backed up']);
  await page.unrouteAll({ behavior: 'ignoreErrors' });
});

test('every page leads into the guide of this version; it is read without a network', async () => {
  const { page } = world;
  await page.goto(`${world.url}/retention`);
  await page.getByRole('link', { name: 'Help on this page' }).click();
  await page.getByRole('heading', { level: 1, name: 'Retention' }).waitFor();
  await page.getByText('A backup that one rule keeps is kept.', { exact: false }).waitFor();
  await world.look('help');
  await page.getByRole('navigation', { name: 'Guide' }).getByRole('link', { name: 'Dropbox' }).click();
  await page.getByRole('heading', { level: 1, name: 'Dropbox' }).waitFor();
  await page.goto(`${world.url}/help/no-such-page`);
  await page.getByText('The guide has no such page.', { exact: false }).waitFor();
  await page.goto(`${world.url}/help/retention`);
  const last = page.locator('article :is(h2, h3)').last();
  await last.waitFor();
  const anchor = await last.getAttribute('id');
  expect(await page.evaluate(() => scrollY)).toBe(0);
  await page.goto(`${world.url}/help/security`);
  await page.getByRole('heading', { level: 1, name: 'Security' }).waitFor();
  await page.goto(`${world.url}/help/retention#${anchor}`);
  await until(async () => (await page.evaluate(() => scrollY)) > 0);
});

test('on paper: the page without what is clicked', async () => {
  const { page } = world;
  for (const [name, path] of Object.entries({ overview: '/', job: `/jobs/${good}`, timeline: '/timeline' })) {
    await page.goto(world.url + path);
    await page.getByText('Loading').first().waitFor({ state: 'detached' });
    await page.setViewportSize({ width: 794, height: 1123 });
    await page.emulateMedia({ media: 'print' });
    expect(await page.getByRole('navigation', { name: 'Main' }).isVisible()).toBe(false);
    expect(await page.locator('main .button').filter({ visible: true }).count(), name).toBe(0);
    await page.screenshot({ path: `artifacts/paper, ${name}.png`, fullPage: true });
    await page.emulateMedia({ media: null });
  }
  await page.setViewportSize({ width: 1280, height: 860 });
});

test('the audit log is read in words, filtered by the server, and downloaded', async () => {
  const { page } = world;
  await page.goto(`${world.url}/people?tab=audit`);
  await page.getByText('Started a backup of').first().waitFor();
  await world.look('audit, in words');
  await page.setViewportSize({ width: 1280, height: 860 });
  const rows = page.locator('tbody tr[data-key]');
  const all = await rows.count();
  // The server searches, so entries that no page has loaded yet are found, too.
  await page.getByLabel('Name', { exact: true }).fill('Keycloak');
  await page.keyboard.press('Enter');
  await until(async () => (await rows.count()) < all);
  await page.getByRole('link', { name: 'Keycloak' }).first().waitFor();
  expect(await page.getByText('Created the first administrator').count()).toBe(0);
  const download = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Download as CSV' }).click();
  const file = readFileSync(await (await download).path(), 'utf8');
  expect((await download).suggestedFilename()).toBe('dbackup-audit.csv');
  expect(
    file
      .trim()
      .split('\n')
      .slice(1)
      .filter((line) => !line.includes('Keycloak')),
  ).toEqual([]);
  await page.getByRole('group', { name: 'Status' }).getByRole('button', { name: 'Denied' }).click();
  await page.getByText('Nothing matches').waitFor();
  await page.getByRole('button', { name: 'Show all' }).click();
  await until(async () => (await rows.count()) === all);
  await page.getByLabel('User', { exact: true }).selectOption('anna');
  await until(async () => page.url().includes('user=anna'));
});

test('on a phone, everything that is tapped is 44 pixels high', async () => {
  const { page } = world;
  await page.setViewportSize({ width: 375, height: 812 });
  const small: string[] = [];
  const { items } = await world.ask<{ items: { destinationId: string; path: string }[] }>('GET', '/api/backups');
  const { destinationId = '', path: file = '' } = items[0] ?? {};
  const backup = new URLSearchParams({ destination: destinationId, path: file });
  const { sourceId } = await world.ask<{ sourceId: string }>('GET', `/api/jobs/${good}`);
  for (const path of [
    '/',
    '/backups',
    `/backups/view?${backup.toString()}`,
    `/sources/${sourceId}`,
    `/destinations/${destinationId}`,
    `/databases?source=${sourceId}`,
    `/retention/plan?${new URLSearchParams({ job: good, destination: destinationId }).toString()}`,
    '/wall',
    '/jobs',
    `/jobs/${good}`,
    `/jobs/${good}/edit`,
    '/retention',
    '/retention/new',
    '/timeline',
    '/people?tab=audit',
    '/people?tab=users',
    '/people?tab=sessions',
    '/profiles',
    '/settings',
    '/help/retention',
  ]) {
    await page.goto(world.url + path);
    await page.getByRole('heading', { level: 1, includeHidden: true }).waitFor({ state: 'attached' });
    await page.getByText('Loading', { exact: true }).first().waitFor({ state: 'detached' });
    await page.waitForLoadState('networkidle');
    small.push(
      ...(await page.evaluate((path) => {
        const isShown = (element: Element) => element.checkVisibility() && element.getBoundingClientRect().width > 1;
        const all = [
          ...document.querySelectorAll(
            'main :is(button, select, input, .row-link, .plain-link, a.button, label.choice)',
          ),
        ];
        return all.filter(isShown).flatMap((element) => {
          const target = element.closest('label') ?? element;
          const { height } = target.getBoundingClientRect();
          return height < 43.5 ? [`${path}: ${Math.round(height)} ${element.outerHTML.slice(0, 90)}`] : [];
        });
      }, path)),
    );
  }
  await page.setViewportSize({ width: 1280, height: 860 });
  expect(small).toEqual([]);
});
