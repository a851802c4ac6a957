/** A source and a destination that no page knows: forms, lists and runs show them by what their manifests say. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { PASSWORD, until, World } from './world';

let world: World;
beforeAll(async () => {
  world = await World.madeUp();
  const token = world.setupToken;
  await world.ask('POST', '/api/setup', { token, name: 'anna', password: PASSWORD });
  for (const name of ['cabinet', 'shelf']) mkdirSync(join(world.folder, name));
  writeFileSync(join(world.folder, 'cabinet', 'tools.drawer'), 'hammer\nsaw\n'.repeat(1000));
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await world.page.screenshot({ path: 'artifacts/failed made-up.png' });
  expect(world.complaints).toEqual([]);
});
afterAll(async () => {
  await world?.stop();
});

test('a source of an adapter that no page knows is entered by its form, checked and tested', async () => {
  const { page } = world;
  await page.goto(`${world.url}/sources/new`);
  await page.getByLabel('Name').fill('Cabinet');
  await page.getByLabel(/^(Engine|Type)/).selectOption({ label: 'Made-up source' });
  await page.getByText("Where the cabinet stands on the server's machine.").waitFor();
  expect(await page.getByLabel('Level').isVisible(), 'advanced fields are folded away').toBe(false);
  await page.locator('summary', { hasText: 'Advanced' }).click();
  await page.getByLabel('Level').fill('9');
  await page.getByLabel('PIN').fill('1234-5678');
  await page.getByLabel('Place').fill(join(world.folder, 'cabinet'));
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByText('must be from 1 to 3').first().waitFor();
  await page.getByLabel('Level').fill('2');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('button', { name: 'Test connection' }).click();
  await page.getByText('1 drawers').waitFor();
  await world.look('source, made up');
});

test('a destination of such an adapter takes its backups, and a run tells of both', async () => {
  const { page } = world;
  await page.goto(`${world.url}/destinations/new`);
  await page.getByLabel('Name').fill('Shelf');
  await page.getByLabel(/^(Kind|Type)$/).selectOption({ label: 'Made-up destination' });
  await page.getByRole('tab', { name: 'Configuration' }).click();
  await page.getByLabel('Shelf', { exact: true }).fill(join(world.folder, 'shelf'));
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await until(async () => (await world.ask<{ items: unknown[] }>('GET', '/api/destinations')).items.length === 1);
  await page.goto(`${world.url}/sources`);
  await page
    .getByRole('row', { name: /Cabinet/ })
    .getByText('Made-up source')
    .waitFor();

  type Things = { items: { id: string }[] };
  const [source] = (await world.ask<Things>('GET', '/api/sources')).items;
  const [destination] = (await world.ask<Things>('GET', '/api/destinations')).items;
  const job = await world.ask('POST', '/api/jobs', {
    name: 'made',
    sourceId: source?.id,
    destinationIds: [destination?.id],
    acknowledgedWarnings: ['content-not-checked'],
  });
  await page.goto(`${world.url}/jobs/${job.id}`);
  await page.getByRole('button', { name: 'Back up now' }).click();
  const runs = () => world.ask<{ items: { state: string }[] }>('GET', `/api/runs?jobId=${job.id}`);
  await until(async () => (await runs()).items[0]?.state === 'succeeded');
  await page.goto(`${world.url}/backups`);
  await page.getByRole('row', { name: /tools/ }).waitFor();
  await world.look('backups, made up');
});
