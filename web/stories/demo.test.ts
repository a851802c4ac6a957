import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { World } from './world';

let world: World;
beforeAll(async () => {
  world = await World.demo();
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await world.page.screenshot({ path: 'artifacts/failed demo.png' });
});
afterAll(async () => {
  await world?.stop();
});

test('a newcomer clicks the demo through, to a database restored from Dropbox', async () => {
  const { page } = world;
  await page.goto(world.url);
  await page.getByLabel('Name').fill('demo');
  await page.getByLabel('Password').fill('demo demo demo');
  await page.getByRole('button', { name: 'Sign in' }).click();
  // One click on the overview, which says itself what came of it.
  const cause = page.getByRole('button', { name: 'Authorize: Dropbox needs authorization' });
  const opens = world.context.waitForEvent('page');
  await cause.click();
  await (await opens).getByRole('button', { name: /allow/i }).click();
  await page.getByText('Dropbox is authorized').waitFor();
  await cause.waitFor({ state: 'detached' });
  await page.getByRole('link', { name: 'Jobs', exact: true }).click();
  await page.getByRole('link', { name: 'shop', exact: true }).click();
  await page.getByRole('link', { name: 'Edit', exact: true }).first().click();
  await page.getByRole('checkbox', { name: /^\s*Dropbox/ }).check();
  await page.getByRole('button', { name: 'Save job' }).click();
  await page.getByRole('link', { name: 'Jobs', exact: true }).click();
  await page.getByRole('button', { name: 'Back up now' }).click();
  await page.goto(`${world.url}/runs`);
  await page.getByRole('row').nth(2).getByText('Succeeded').waitFor();
  await page.getByRole('row').nth(1).getByText('Succeeded').waitFor({ timeout: 30_000 });
  await page.goto(`${world.url}/backups`);
  await page
    .getByRole('row', { name: /Dropbox/ })
    .getByRole('link', { name: 'Restore…' })
    .click();
  // Target and a new name are there already.
  expect(await page.getByRole('textbox', { name: 'File' }).inputValue()).toMatch(/-restored-\d{4}-\d\d-\d\d\.db$/);
  await page.getByRole('button', { name: 'Review restore' }).click();
  await page.getByRole('button', { name: /^Restore into/ }).click();
  await page.getByText('Succeeded').first().waitFor({ timeout: 30_000 });

  await page.goto(`${world.url}/backups`);
  const onDisk = page.getByRole('row', { name: /Disk/ });
  await onDisk.last().getByRole('button', { name: /^More/ }).click();
  await page.getByRole('menuitem', { name: 'Copy to…' }).click();
  await page.getByLabel('To', { exact: true }).selectOption({ label: 'Dropbox' });
  await world.look('copy');
  await page.getByRole('button', { name: 'Copy the backup' }).click();
  await page.getByText('checked by').waitFor({ timeout: 30_000 });
  await page.getByText('Succeeded').first().waitFor({ timeout: 30_000 });
  await page.goto(`${world.url}/backups`);
  await page
    .getByRole('row', { name: /Dropbox/ })
    .nth(1)
    .waitFor();
  expect(await page.getByRole('row', { name: /Dropbox/ }).count()).toBe(2);
  expect(world.complaints).toEqual([]);
});
