/** Pages without a network, or after the server was updated. */
import { afterAll, afterEach, beforeAll, test } from 'vitest';
import { World } from './world';

let world: World;
beforeAll(async () => {
  world = await World.start();
  await world.ready();
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await world.page.screenshot({ path: 'artifacts/failed lost parts.png' });
});
afterAll(async () => {
  await world?.stop();
});

test('every page opens without a network, once the browser has been idle', async () => {
  const { page } = world;
  await page.goto(world.url);
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
  await page.waitForFunction(() => performance.getEntriesByName('preload-end').length > 0);
  await world.context.setOffline(true);
  for (const name of ['Runs', 'Destinations', 'Settings']) {
    await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name }).click();
    await page.getByRole('heading', { name, level: 1 }).waitFor();
  }
  await world.context.setOffline(false);
});

test('a page that cannot be fetched says so, and can be reloaded', async () => {
  const { page } = world;
  // Nothing is fetched ahead.
  await page.addInitScript(() => (window.requestIdleCallback = () => 0));
  await page.goto(world.url);
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
  await page.route('**/assets/*.js', (route) => route.abort());
  const runs = page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Runs' });
  await runs.click();
  const notice = page.getByRole('alert').filter({ hasText: 'dbackup was updated or the connection was lost.' });
  await notice.waitFor();
  await world.look('a page that could not be fetched');
  await page.unroute('**/assets/*.js');
  await notice.getByRole('button', { name: 'Reload' }).click();
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
  await notice.waitFor({ state: 'detached' });
  await runs.click();
  await page.getByRole('heading', { name: 'Runs', level: 1 }).waitFor();
});
