/** The schedule of a job: times, days and intervals, in words that agree with what runs. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { World } from './world';

let world: World;
let source: string;
let destination: string;
interface Job {
  id: string;
  schedule: { cron: string; timeZone: string } | null;
  timeoutSeconds: number | null;
}
beforeAll(async () => {
  world = await World.start();
  ({ source, destination } = await world.ready());
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail')
    await world.page.screenshot({ path: `artifacts/failed ${task.name.slice(0, 20)}.png`, fullPage: true });
  expect(world.complaints).toEqual([]);
});
afterAll(async () => {
  await world?.stop();
});

const read = (id: string) => world.ask<Job>('GET', `/api/jobs/${id}`);
const add = (name: string, more: object) =>
  world.ask('POST', '/api/jobs', { name, sourceId: source, destinationIds: [destination], ...more });
const runs = () => world.page.getByLabel('Runs', { exact: true });
const save = async () => {
  await world.page.getByRole('button', { name: 'Save job' }).click();
  await world.page.waitForURL(/\/jobs\/[\da-f-]+$/);
};

test('daily with several times, weekdays, monthly and intervals are chosen without cron', async () => {
  const { page } = world;
  const { id } = await add('shop', { schedule: { cron: '0 3 * * *', timeZone: 'Europe/Zurich' } });
  const edit = `${world.url}/jobs/${id}/edit`;
  await page.goto(edit);
  expect(await runs().locator('option:checked').textContent()).toBe('Daily');
  await page.getByLabel('Time', { exact: true }).fill('02:30');
  await page.getByLabel('Time', { exact: true }).blur();
  await page.getByText('Daily at 02:30').waitFor();
  await page
    .getByText(/0?2:30 (CET|CEST|GMT\+[12])/)
    .first()
    .waitFor();
  await page.getByRole('button', { name: 'Several times a day…' }).click();
  await page.getByRole('checkbox', { name: '14:30' }).check({ force: true });
  await page.getByText('Daily at 02:30 and 14:30').waitFor();
  await world.look('schedule, several times');
  await save();
  expect((await read(id)).schedule?.cron).toBe('30 2,14 * * *');

  await page.goto(edit);
  await runs().selectOption({ label: 'On selected weekdays' });
  await page.getByRole('checkbox', { name: 'Saturday' }).check({ force: true });
  await page.getByText('Every Monday, Tuesday, Wednesday, Thursday, Friday and Saturday at 02:30').waitFor();
  await world.look('schedule, weekdays');
  await save();
  expect((await read(id)).schedule?.cron).toBe('30 2 * * 1-6');

  await page.goto(edit);
  await runs().selectOption({ label: 'Monthly' });
  await page.getByLabel('Day', { exact: true }).selectOption({ label: 'Last day of the month' });
  await page.getByText('Monthly, on the last day at 02:30').waitFor();
  await save();
  expect((await read(id)).schedule?.cron).toBe('30 2 L * *');

  await page.goto(edit);
  await runs().selectOption({ label: 'Every few minutes or hours' });
  await page.getByLabel('Every', { exact: true }).selectOption({ label: '6 hours' });
  await page.getByLabel('Minutes past the hour').fill('15');
  await page.getByLabel('Minutes past the hour').blur();
  await page.getByText('Every 6 hours at :15').waitFor();
  await save();
  expect((await read(id)).schedule?.cron).toBe('15 */6 * * *');
});

test('a field shows what is saved, whatever was typed into it', async () => {
  const { page } = world;
  const { id } = await add('typed', { schedule: { cron: '59 */6 * * *', timeZone: 'UTC' } });
  await page.goto(`${world.url}/jobs/${id}/edit`);
  const minutes = page.getByLabel('Minutes past the hour');
  await minutes.fill('70');
  await minutes.blur();
  expect(await minutes.inputValue()).toBe('59');
  await runs().selectOption({ label: 'Daily' });
  await page.locator('.next li').first().waitFor();
  // Until the server has answered, there are no runs: those of the last schedule are not this one's.
  let release = () => {};
  const gate = new Promise<void>((resolve) => (release = resolve));
  await page.route('**/api/schedule?*', async (route) => {
    await gate;
    await route.continue();
  });
  const time = page.getByLabel('Time', { exact: true });
  await time.fill('04:20');
  await page.getByText('Daily at 04:20').waitFor();
  expect(await page.locator('.next li').count()).toBe(0);
  release();
  await page.locator('.next li').first().waitFor();
  await page.unroute('**/api/schedule?*');
  await time.fill('');
  await time.blur();
  expect(await time.inputValue()).toBe('04:20');
  await save();
  expect((await read(id)).schedule?.cron).toBe('20 4 * * *');
});

test('an expression that is not even is not said to be: the words agree with the next runs', async () => {
  const { page } = world;
  const { id } = await add('uneven', { schedule: { cron: '*/45 * * * *', timeZone: 'UTC' } });
  await page.goto(`${world.url}/jobs/${id}/edit`);
  expect(await runs().locator('option:checked').textContent()).toBe('Cron expression…');
  await page.getByText('Hourly at :00 and :45').waitFor();
  const times = page.locator('.next li');
  await times.first().waitFor();
  for (const time of await times.allTextContents()) expect(time).toMatch(/:(00|45) UTC/);
  await world.look('schedule, cron');
  await page.getByLabel('Cron expression', { exact: true }).fill('0 3 31 2 *');
  await page.getByText(/never comes/).waitFor();
});

test.each(['0 * * * *', '0 3 * * *', '0 3 * * 0', '0 3 1 * *', '*/7 3-5 * * MON', undefined])(
  'an old schedule is loaded, and kept to the letter while it is not touched: %s',
  async (cron) => {
    const { page } = world;
    const { id } = await add(`old ${cron}`, {
      schedule: cron ? { cron, timeZone: 'Europe/Zurich' } : null,
      timeoutSeconds: 5400,
    });
    await page.goto(`${world.url}/jobs/${id}/edit`);
    await page.getByLabel('Name').fill(`renamed ${cron}`);
    await save();
    const { schedule = null, timeoutSeconds } = await read(id);
    expect(schedule).toEqual(cron ? { cron, timeZone: 'Europe/Zurich' } : null);
    expect(timeoutSeconds).toBe(5400);
  },
);

test('the time zone is searched; the time limit has a unit', async () => {
  const { page } = world;
  const { id } = await add('zones', {
    schedule: { cron: '0 3 * * *', timeZone: 'Europe/Zurich' },
    timeoutSeconds: 5400,
  });
  await page.goto(`${world.url}/jobs/${id}/edit`);
  const zone = page.getByRole('combobox', { name: 'Time zone' });
  expect(await zone.inputValue()).toBe('Europe/Zurich');
  // Looking at the list changes nothing, although there are more zones than it shows.
  await zone.click();
  await page.getByRole('option', { name: 'Type to narrow the list.' }).waitFor();
  const matches = page.getByRole('listbox', { name: 'Matches' });
  expect(await matches.getByRole('option', { selected: true }).textContent()).toContain('Europe/Zurich');
  await page.keyboard.press('Enter');
  expect(await zone.inputValue()).toBe('Europe/Zurich');
  await zone.click();
  await page.keyboard.type('new york');
  await page.getByRole('option', { name: /^America\/New York/ }).waitFor();
  await world.look('schedule, time zone');
  await zone.click();
  await zone.fill('new york');
  await page.keyboard.press('Enter');
  expect(await zone.inputValue()).toBe('America/New York');
  await page
    .getByText(/03:00 (GMT-[45]|E[DS]T)/)
    .first()
    .waitFor();
  expect(await page.getByLabel('Unit of the time limit').inputValue()).toBe('minutes');
  await page.getByLabel('Unit of the time limit').selectOption('hours');
  await save();
  expect(await read(id)).toMatchObject({ schedule: { timeZone: 'America/New_York' }, timeoutSeconds: 324_000 });
});

test('in a long list of sources, one is found by its name', async () => {
  const { page } = world;
  for (let number = 1; number <= 13; number += 1) {
    const settings = { type: 'sqlite', path: `${world.folder}/db-${number}.db` };
    await world.ask('POST', '/api/sources', { name: `Customer ${number}`, settings });
  }
  await page.goto(`${world.url}/jobs/new`);
  const field = page.getByRole('combobox', { name: 'Source' });
  await field.click();
  await page.keyboard.type('customer 12');
  await page.keyboard.press('Enter');
  expect(await field.inputValue()).toBe('Customer 12');
  await page.keyboard.press('Escape');
  expect(await field.inputValue()).toBe('Customer 12');
});
