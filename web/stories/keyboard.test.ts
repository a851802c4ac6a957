import { afterAll, beforeAll, expect, test } from 'vitest';
import { World } from './world';

let world: World;
let destination: string;
beforeAll(async () => {
  world = await World.start();
  ({ destination } = await world.ready());
  await world.authorize(destination);
});
afterAll(async () => {
  await world?.stop();
});

test('M-09 M-10: the folder browser by keyboard alone; the focus goes back to what opened it', async () => {
  const { page } = world;
  for (const path of ['/backups', '/backups/inner', '/other']) {
    await world.ask('POST', `/api/destinations/${destination}/folders`, { path });
  }
  await page.goto(`${world.url}/destinations/${destination}/edit`);
  const form = page.getByRole('main');
  await form.getByRole('tab', { name: 'Connection' }).focus();
  await page.keyboard.press('ArrowRight');
  const browse = form.getByRole('button', { name: 'Browse' });
  await browse.focus();
  await page.keyboard.press('Enter');
  const browser = page.getByRole('dialog', { name: 'Choose a folder' });
  await browser.getByRole('option', { name: 'backups' }).waitFor();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowUp');
  await browser.getByRole('option', { name: 'backups', selected: true }).waitFor();
  await page.keyboard.press('Enter');
  await browser.getByRole('option', { name: 'inner' }).waitFor();
  // Into an empty folder, where no list is left to hold the focus, and up again.
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  // The causes are for a root that is empty.
  await browser.getByText('No subfolders.', { exact: true }).waitFor();
  await page.keyboard.press('Backspace');
  await browser.getByRole('option', { name: 'inner' }).waitFor();
  await browser.getByRole('button', { name: 'New folder' }).click();
  await page.keyboard.type('typed at once');
  expect(await browser.getByLabel('Folder name').inputValue()).toBe('typed at once');
  // A folder that was created has the focus: Enter opens it.
  await page.keyboard.press('Enter');
  await browser.getByRole('option', { name: 'typed at once', selected: true }).waitFor();
  await page.keyboard.press('Enter');
  await browser.getByText('typed at once', { exact: true }).waitFor();
  await browser.getByText('No subfolders.', { exact: true }).waitFor();
  await page.keyboard.press('Escape');
  await browser.waitFor({ state: 'hidden' });
  expect(await browse.evaluate((button) => button === document.activeElement)).toBe(true);
  expect(new URL(page.url()).pathname).toBe(`/destinations/${destination}/edit`);
});

test('the first page: little script, nothing that jumps, nothing from another host', async () => {
  const page = await world.context.newPage();
  const hosts = new Set<string>();
  page.on('request', (request) => hosts.add(new URL(request.url()).host));
  await page.addInitScript(() => {
    const shifts = ((window as unknown as { shifts: number[] }).shifts = []) as number[];
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) shifts.push((entry as unknown as { value: number }).value);
    }).observe({ type: 'layout-shift', buffered: true });
  });
  await page.goto(world.url);
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
  await page.getByText('Set up your first backup').waitFor();
  await page.waitForLoadState('networkidle');
  const shifts = await page.evaluate(() => (window as unknown as { shifts: number[] }).shifts);
  expect(shifts.reduce((sum, shift) => sum + shift, 0)).toBeLessThan(0.01);
  expect([...hosts]).toEqual([new URL(world.url).host]);
  // What comes when the browser is idle belongs to the other pages.
  const script = await page.evaluate(() => {
    const idle = performance.getEntriesByName('preload-start')[0]?.startTime ?? Infinity;
    const all = performance.getEntriesByType('resource') as PerformanceResourceTiming[];
    const first = all.filter(({ name, startTime }) => name.endsWith('.js') && startTime < idle);
    return first.reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0);
  });
  expect(script).toBeGreaterThan(10_000);
  expect(script, 'bytes of JavaScript, compressed').toBeLessThan(120 * 1024);
  await page.close();
});
