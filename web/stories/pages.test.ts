import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Page } from 'playwright-core';
import { World } from './world';

let world: World;
const addresses: Record<string, string> = {};
beforeAll(async () => {
  world = await World.start();
  const { source, destination } = await world.ready();
  await world.authorize(destination);
  const policy = await world.ask('POST', '/api/retention-policies', {
    name: 'Standard',
    rules: { keepLast: 3, keepDaily: 7 },
  });
  const job = await world.ask('POST', '/api/jobs', {
    name: 'shop',
    sourceId: source,
    destinationIds: [destination],
    retention: { [destination]: policy.id },
    schedule: { cron: '30 1,13 * * *', timeZone: 'Europe/Zurich' },
  });
  const run = await world.ask('POST', `/api/jobs/${job.id}/run`);
  await world.page.goto(`${world.url}/runs/${run.id}`);
  const path = await world.page.getByText(/^shop\/backup_.*\.zst$/).textContent();
  const backup = new URLSearchParams({ destination, path: path ?? '' });
  Object.assign(addresses, {
    overview: '/',
    'first backup': '/first-backup',
    jobs: '/jobs',
    'new job': '/jobs/new',
    job: `/jobs/${job.id}`,
    'job, edit': `/jobs/${job.id}/edit`,
    runs: '/runs',
    run: `/runs/${run.id}`,
    backups: '/backups',
    backup: `/backups/view?${backup.toString()}`,
    restore: `/backups/restore?${backup.toString()}`,
    sources: '/sources',
    source: `/sources/${source}`,
    'source, edit': `/sources/${source}/edit`,
    database: `/databases?source=${source}`,
    destinations: '/destinations',
    destination: `/destinations/${destination}`,
    'destination, edit': `/destinations/${destination}/edit`,
    retention: '/retention',
    'retention, deleted': '/retention?tab=deleted',
    'retention, new': '/retention/new',
    'retention, policy': `/retention/${policy.id}`,
    'retention, plan': `/retention/plan?${new URLSearchParams({ job: job.id, destination }).toString()}`,
    notifications: '/notifications',
    'notifications, rules': '/notifications?tab=rules',
    'notifications, messages': '/notifications?tab=messages',
    'notifications, new channel': '/notifications/channels/new',
    'notifications, new rule': '/notifications/rules/new',
    timeline: '/timeline',
    profiles: '/profiles',
    users: '/people?tab=users',
    tokens: '/people?tab=tokens',
    sessions: '/people?tab=sessions',
    audit: '/people?tab=audit',
    settings: '/settings',
  });
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await world.page.screenshot({ path: 'artifacts/failed pages.png' });
});
afterAll(async () => {
  await world?.stop();
});

/** What pages read; not who is signed in, nor the stream of events. */
const isRead = (url: URL) => url.pathname.startsWith('/api/') && !/^\/api\/(session|events)$/.test(url.pathname);

test.each([
  'overview',
  'first backup',
  'jobs',
  'new job',
  'job',
  'job, edit',
  'runs',
  'run',
  'backups',
  'backup',
  'restore',
  'sources',
  'source',
  'source, edit',
  'database',
  'destinations',
  'destination',
  'destination, edit',
  'retention',
  'retention, deleted',
  'retention, new',
  'retention, policy',
  'retention, plan',
  'notifications',
  'notifications, rules',
  'notifications, messages',
  'notifications, new channel',
  'notifications, new rule',
  'timeline',
  'profiles',
  'users',
  'tokens',
  'sessions',
  'audit',
  'settings',
])('%s: says that it is loading, moves nothing when it comes, and says when it fails', async (name) => {
  const page = await world.context.newPage();
  world.page = page;
  const url = world.url + addresses[name];
  let release = () => {};
  const gate = new Promise<void>((resolve) => (release = resolve));
  await page.route(isRead, async (route) => {
    await gate;
    await route.continue();
  });
  await watchShifts(page);
  await page.goto(url);
  await page.getByText('Loading', { exact: true }).first().waitFor({ state: 'attached' });
  release();
  await page.getByText('Loading', { exact: true }).first().waitFor({ state: 'detached' });
  await page.waitForLoadState('networkidle');
  expect(await shifts(page), 'layout shift').toBeLessThan(0.02);
  await page.unroute(isRead);

  const failure = { code: 'internal', status: 500, title: 'Internal error', detail: 'the disk of the server is full' };
  await page.route(isRead, (route) => route.fulfill({ status: 500, json: failure }));
  await page.goto(url);
  await page.getByRole('alert').getByText('The disk of the server is full.').first().waitFor();
  await page.unroute(isRead);
  for (const again of await page.getByRole('button', { name: 'Try again' }).elementHandles()) {
    await again.evaluate((button) => (button as HTMLElement).click());
    await again.waitForElementState('hidden');
  }
  await page.getByText('Loading', { exact: true }).first().waitFor({ state: 'detached' });
  expect(await page.getByText('The disk of the server is full.').count()).toBe(0);
  await page.close();
});

async function watchShifts(page: Page) {
  await page.addInitScript(() => {
    const sum = ((window as unknown as { shifts: { of: number } }).shifts = { of: 0 });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) sum.of += (entry as unknown as { value: number }).value;
    }).observe({ type: 'layout-shift', buffered: true });
  });
}
const shifts = (page: Page) => page.evaluate(() => (window as unknown as { shifts: { of: number } }).shifts.of);

test('axe and the pictures of what the other stories pass by', async () => {
  const page = await world.context.newPage();
  world.page = page;
  const dialog = page.getByRole('dialog');
  const open = async (address: string, button: string, name: string) => {
    await page.goto(world.url + address);
    await page.getByRole('button', { name: button }).first().click();
    await dialog.first().waitFor();
    await world.look(name);
  };
  await page.goto(`${world.url}/no/such/page`);
  await page.getByRole('heading', { level: 1 }).waitFor();
  await world.look('not found');
  await open('/profiles', 'Add profile', 'profile, new');
  await open('/people?tab=users', 'Add user', 'user, new');
  await open('/people?tab=tokens', 'Create token', 'token, new');
  await dialog.getByLabel('Name').fill('nightly script');
  await dialog.getByRole('button', { name: 'Create token' }).click();
  await dialog.getByText('It is shown once.').waitFor();
  await world.look('token, made');
  await page.goto(`${world.url}/backups`);
  await page.getByRole('checkbox', { name: /^Select the backup/ }).check();
  await page.getByRole('button', { name: 'Delete…' }).click();
  await world.look('backups, delete');
  await dialog.getByRole('button', { name: 'Show as command' }).click();
  await page.getByText(/^dbackup api DELETE /).waitFor();
  await page.keyboard.press('Escape');
  await dialog.getByRole('button', { name: 'Cancel', exact: true }).click();
  await page.goto(`${world.url}/jobs`);
  await page.getByRole('button', { name: 'More for shop' }).click();
  await world.look('jobs, menu');
  await page.getByRole('menuitem', { name: 'Run from the command line…' }).click();
  await page.getByText('dbackup jobs run shop --follow').waitFor();
  await page.close();
});

test('times and numbers are the reader’s own; the date can come first', async () => {
  const german = await world.visitor({ locale: 'de-DE', timezoneId: 'America/New_York' });
  await german.addCookies(await world.context.cookies());
  const page = await german.newPage();
  world.page = page;
  await page.goto(`${world.url}/runs`);
  await page
    .getByText(/^\d+,\d KiB$/)
    .first()
    .waitFor();
  const time = page.getByRole('row').nth(1).locator('time').first();
  const at = new Date((await time.getAttribute('datetime')) ?? '');
  const hour = new Intl.DateTimeFormat('de-DE', { hour: '2-digit', timeZone: 'America/New_York' }).format(at);
  expect(await time.getAttribute('title')).toContain(` ${hour.replace(' Uhr', '')}:`);
  await page.goto(`${world.url}/settings`);
  await page.getByLabel('Dates').selectOption('absolute');
  await page.goto(`${world.url}/backups`);
  await page.getByRole('row').nth(1).getByText(String(at.getFullYear())).first().waitFor();
  await world.look('backups, by date');
  await german.close();
});

test('whoever is not signed in is asked to', async () => {
  await world.context.clearCookies();
  world.page = await world.context.newPage();
  await world.page.goto(`${world.url}/backups?job=shop`);
  await world.page.getByRole('button', { name: 'Sign in' }).waitFor();
  await world.look('sign in');
  expect(world.complaints).toEqual([]);
});
