/** What forms say about their fields. */
import type { Locator } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { World } from './world';

let world: World;
beforeAll(async () => {
  world = await World.start();
  await world.ready();
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await world.page.screenshot({ path: 'artifacts/failed forms.png' });
});
afterAll(async () => {
  await world?.stop();
});
const isFocused = (element: Element) => element === document.activeElement;
const isRequired = (element: Element) => element.matches(':required');
const mark = (label: Locator) => label.evaluate((element) => getComputedStyle(element, '::after').content);

test('what is missing is said once, beside its field, and the summary leads there', async () => {
  const { page } = world;
  await page.goto(`${world.url}/sources/new`);
  await page.getByLabel('Engine').selectOption('sqlite');
  const file = page.getByRole('textbox', { name: 'File' });
  expect(await file.evaluate(isRequired)).toBe(true);
  expect(await page.getByLabel('Name').evaluate(isRequired)).toBe(true);
  expect(await mark(page.getByText('Name', { exact: true }))).toContain('*');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  const summary = page.getByRole('alert');
  await summary.getByText('Check 2 fields.').waitFor();
  expect(await page.getByText('Enter a name.').count()).toBe(1);
  expect(await page.getByText(/^Enter the file/).count()).toBe(1);
  await world.look('source, empty');
  await summary.getByRole('button', { name: 'File' }).click();
  expect(await file.evaluate(isFocused)).toBe(true);
});

test('the summary leads to a field on another tab, and says what it cannot show', async () => {
  const { page } = world;
  await page.goto(`${world.url}/destinations/new`);
  await page.getByLabel('Type', { exact: true }).selectOption('folder');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  const summary = page.getByRole('alert');
  await summary.getByText('Check 2 fields.').waitFor();
  await summary.getByText(/Folder: Enter the folder/).waitFor();
  await summary.getByRole('button', { name: 'Folder' }).click();
  expect(await page.getByRole('textbox', { name: 'Folder' }).evaluate(isFocused)).toBe(true);
});

test('the form of a Dropbox says what is optional, and when', async () => {
  const { page } = world;
  await page.goto(`${world.url}/destinations/new`);
  await page.getByLabel('Type', { exact: true }).selectOption('dropbox');
  await page.getByText('App Secret\u00a0(optional with PKCE)').waitFor();
  expect(await page.getByLabel('App Key').evaluate(isRequired)).toBe(true);
  expect(await page.getByLabel('App Secret').evaluate(isRequired)).toBe(false);
  await page.getByText('required to choose a custom folder').waitFor();
  await page.getByText('changed permissions need a new authorization').waitFor();
});
