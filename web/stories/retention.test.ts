/** Retention: policies, what they would delete before they are saved, and how a deletion is taken back. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { far } from './schedules';
import { spreadBackups } from './sqlite';
import { until, World } from './world';

const BACKUPS = 12;
let world: World;
let job: string;
let disk: string;
interface Listed {
  items: {
    id: string;
    path: string;
    state?: string;
    locked?: boolean;
    note?: string;
    retention: Record<string, string>;
  }[];
}
const saved = (path: string) => world.ask<Listed>('GET', path);

beforeAll(async () => {
  world = await World.start();
  const { source } = await world.ready();
  mkdirSync(join(world.folder, 'disk'));
  const settings = { type: 'folder', path: join(world.folder, 'disk') };
  disk = (await world.ask('POST', '/api/destinations', { name: 'NAS', settings })).id;
  const schedule = far();
  const made = { name: 'Shop nightly', sourceId: source, destinationIds: [disk], schedule };
  job = (await world.ask('POST', '/api/jobs', made)).id;
  for (let run = 0; run < BACKUPS; run += 1) {
    const { id } = await world.ask('POST', `/api/jobs/${job}/run`);
    await until(async () => /succeeded/.test((await world.ask<{ state: string }>('GET', `/api/runs/${id}`)).state));
  }
  await world.ask('POST', `/api/destinations/${disk}/scan`, {});
  await until(
    async () => (await world.ask<{ state: string }>('GET', `/api/destinations/${disk}/scan`)).state === 'complete',
  );
  spreadBackups(join(world.folder, 'data', 'dbackup.db'), job);
}, 120_000);
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail')
    await world.page.screenshot({ path: `artifacts/failed ${task.name.slice(0, 20)}.png`, fullPage: true });
  expect(world.complaints).toEqual([]);
});
afterAll(async () => {
  await world?.stop();
});

test('without a policy, the page says what one is for; a new one shows what it keeps of real backups', async () => {
  const { page } = world;
  await page.goto(`${world.url}/retention`);
  await page.getByRole('heading', { name: 'Every backup is kept for ever' }).waitFor();
  await world.look('retention, empty');
  await page.getByRole('tab', { name: 'Recently deleted' }).click();
  await page.getByText('Nothing is waiting to be deleted').waitFor();
  await world.look('retention, nothing deleted');
  await page.getByRole('link', { name: 'Add policy' }).first().click();
  await page.getByLabel('Name').fill('Five days');
  await page
    .getByText('12 backups stay')
    .or(page.getByText(/backups stay/))
    .first()
    .waitFor();
  await page.getByRole('radio', { name: /^Only the newest/ }).check();
  expect(await page.getByLabel(/^Keep the\b.*newest backups/).inputValue()).toBe('10');
  await page.getByLabel(/^Keep the\b.*newest backups/).fill('5');
  await page.getByText('5 backups stay').waitFor();
  await page.getByText('7 are deleted').waitFor();
  await page.locator('button.day.going').first().click();
  await page.getByText('No rule keeps it.').first().waitFor();
  await world.look('retention, new policy');
  await page.getByRole('button', { name: 'Save policy' }).click();
  await page.getByRole('link', { name: 'Five days' }).waitFor();
  await page.getByText('Not used yet').waitFor();
  await world.look('retention, policies');
});

test('a job that takes the policy says what it deletes, and deletes nothing before that is confirmed', async () => {
  const { page } = world;
  await page.goto(`${world.url}/jobs/${job}/edit`);
  await page.getByLabel('Keep', { exact: true }).selectOption({ label: 'Five days' });
  await page.getByText('The newest 5. Deleted 7 days later.').waitFor();
  await world.look('job, with retention');
  await page.getByRole('button', { name: 'Save job' }).click();
  const review = page.getByRole('dialog', { name: '7 backups will be deleted' });
  await review.getByText('7 of 12').waitFor();
  await world.look('retention, review');
  expect((await saved('/api/jobs')).items[0]?.retention).toEqual({});
  await review.getByRole('button', { name: 'Cancel' }).click();
  expect((await saved('/api/deletions')).items).toEqual([]);
  await page.getByRole('button', { name: 'Save job' }).click();
  await review.getByRole('button', { name: 'Save, and delete in 7 days' }).click();
  await page.getByText('Job saved').waitFor();
  expect(Object.keys((await saved('/api/jobs')).items[0]?.retention ?? {})).toEqual([disk]);
  expect((await saved('/api/deletions')).items).toHaveLength(7);
});

test('editing anything else of a job keeps its policy', async () => {
  const { page } = world;
  await page.goto(`${world.url}/jobs/${job}/edit`);
  await page.getByLabel('Time limit', { exact: false }).first().fill('2');
  await page.getByRole('button', { name: 'Save job' }).click();
  await page.getByText('Job saved').first().waitFor();
  const read = await world.ask<{ retention: Record<string, string>; timeoutSeconds: number }>(
    'GET',
    `/api/jobs/${job}`,
  );
  expect(Object.keys(read.retention)).toEqual([disk]);
  expect(read.timeoutSeconds).toBe(7200);
});

test('a destination that is added has no policy yet, and the form does not say that it has', async () => {
  const { page } = world;
  await page.goto(`${world.url}/jobs/${job}/edit`);
  await page.getByLabel('Keep', { exact: true }).waitFor();
  await page.getByRole('checkbox', { name: 'Offsite' }).check();
  const policyAt = (name: string) => page.getByLabel(`Keep at ${name}`).locator('option:checked').textContent();
  expect(await policyAt('NAS')).toBe('Five days');
  expect(await policyAt('Offsite')).toBe('Every backup');
  const same = page.getByRole('checkbox', { name: 'The same at every destination' });
  expect(await same.isChecked()).toBe(false);
  await same.check();
  await page.getByLabel('Keep', { exact: true }).waitFor();
  await same.uncheck();
  expect(await policyAt('Offsite')).toBe('Five days');
  await page.evaluate(() => localStorage.clear());
  page.once('dialog', (dialog) => void dialog.accept());
  await page.goto(`${world.url}/jobs`);
});

test('what is marked is listed with the time that is left, and can be taken back, one or many', async () => {
  const { page } = world;
  await page.goto(`${world.url}/retention?tab=deleted`);
  const rows = page.locator('tbody > tr[data-key]');
  await rows.first().waitFor();
  expect(await rows.count()).toBe(7);
  expect(await rows.first().textContent()).toMatch(/in (6|7) ?d/);
  await world.look('retention, recently deleted');
  await page
    .getByRole('button', { name: /^Keep the backup/ })
    .first()
    .click();
  await page.getByText('Backup kept').waitFor();
  await until(async () => (await rows.count()) === 6);
  await page
    .getByRole('checkbox', { name: /^Select the backup/ })
    .nth(0)
    .check();
  await page
    .getByRole('checkbox', { name: /^Select the backup/ })
    .nth(1)
    .check();
  await page.getByRole('button', { name: 'Keep 2', exact: true }).click();
  await until(async () => (await rows.count()) === 4);
  expect((await saved('/api/deletions')).items).toHaveLength(4);
});

test('the plan of a job says of each backup why it stays or goes, and keeps one at a click', async () => {
  const { page } = world;
  await page.goto(`${world.url}/jobs/${job}`);
  await page.getByRole('link', { name: 'Five days' }).click();
  await page.getByRole('heading', { name: 'Retention of Shop nightly at NAS' }).waitFor();
  const going = page.locator('button.day.going');
  expect(await going.count()).toBe(4);
  await going.first().click();
  await page
    .getByText(/^Marked; deleted/)
    .or(page.getByText(/Marked; deleted/))
    .first()
    .waitFor();
  await world.look('retention, plan');
  await page.keyboard.press('ArrowRight');
  expect(await page.evaluate(() => document.activeElement?.getAttribute('aria-pressed'))).toBe('true');
  await page
    .getByRole('button', { name: /^Keep shop/i })
    .first()
    .click();
  await until(async () => (await saved('/api/deletions')).items.length === 3);
});

test('a narrower policy names what it deletes before it is saved; a hold is shown where it matters', async () => {
  const { page } = world;
  const [policy] = (await saved('/api/retention-policies')).items;
  await page.goto(`${world.url}/retention/${policy?.id}`);
  await page.getByLabel(/^Keep the\b.*newest backups/).fill('2');
  await page
    .getByText('2 backups stay')
    .or(page.getByText(/backups stay/))
    .first()
    .waitFor();
  await page.getByRole('button', { name: 'Save policy' }).click();
  const review = page.getByRole('dialog', { name: /backups will be deleted/ });
  await review.waitFor();
  await review.getByRole('button', { name: 'Cancel' }).click();
  // By a program, nobody confirms: the plan waits on its pages.
  await world.ask('PATCH', `/api/retention-policies/${policy?.id}`, { rules: { keepLast: 0, keepWithinDays: 1 } });
  await page.evaluate(() => localStorage.clear());
  page.once('dialog', (dialog) => void dialog.accept());
  await page.goto(`${world.url}/jobs/${job}`);
  await page.getByText('Retention is on hold until you confirm it.').waitFor();
  await world.look('job, retention on hold');
  await page.getByRole('link', { name: 'Review retention at NAS' }).click();
  await page.getByRole('button', { name: /^Delete \d+ backups?…/ }).click();
  await page.getByRole('dialog').getByText('Recently deleted').waitFor();
  await world.look('retention, confirm');
  const before = (await saved('/api/deletions')).items.length;
  await page
    .getByRole('dialog')
    .getByRole('button', { name: /^Delete \d+ backup/ })
    .click();
  await page.getByText(/marked for deletion/).waitFor();
  expect((await saved('/api/deletions')).items.length).toBeGreaterThan(before);
});

test('a backup is locked with a note from its job', async () => {
  const { page } = world;
  await page.goto(`${world.url}/jobs/${job}`);
  await page.getByRole('button', { name: 'More for the backup' }).first().click();
  await page.getByRole('menuitem', { name: /^Lock and note/ }).click();
  const dialog = page.getByRole('dialog', { name: 'Lock and note' });
  await dialog.getByRole('checkbox', { name: /^Locked/ }).check();
  await dialog.getByRole('textbox', { name: /^Note/ }).fill('before the migration');
  await world.look('job, lock and note');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await page.getByText('before the migration').waitFor();
  const noted = async () => (await saved('/api/backups')).items.filter(({ note }) => note === 'before the migration');
  await until(async () => (await noted()).length === 1);
  expect((await noted())[0]).toMatchObject({ locked: true });
});
