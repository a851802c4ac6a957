/** A channel is added and tested, a rule is made, a job fails, and somebody is told. */
import { renameSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { until, World } from './world';

interface Told {
  event: string;
  title: string;
  state: string;
}

/** A service that people would read, on this machine. */
class Capture {
  readonly told: Told[] = [];
  /** The status of its answers. */
  status = 200;
  url = '';
  #server: Server | undefined;

  async start() {
    const server = createServer((request, response) => {
      void textOf(request).then((text) => {
        if (this.status === 200) this.told.push(JSON.parse(text) as Told);
        response.writeHead(this.status).end(this.status === 200 ? 'thank you' : 'this hook is gone');
      });
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    this.url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
  }

  stop() {
    this.#server?.closeAllConnections();
    this.#server?.close();
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

const capture = new Capture();
let world: World;
let job = '';
beforeAll(async () => {
  await capture.start();
  world = await World.start(['--notify-loopback']);
  const { source, destination } = await world.ready();
  await world.authorize(destination);
  const shop = { name: 'Shop nightly', sourceId: source, destinationIds: [destination] };
  job = (await world.ask('POST', '/api/jobs', shop)).id;
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await world.page.screenshot({ path: 'artifacts/failed notifications.png' });
  expect(world.complaints).toEqual([]);
});
afterAll(async () => {
  await world?.stop();
  capture.stop();
});

async function backUp(state: string) {
  const { id } = await world.ask('POST', `/api/jobs/${job}/run`);
  await until(async () => (await world.ask<{ state: string }>('GET', `/api/runs/${id}`)).state === state);
}

test('without a channel, the page says what one is for; a new one is tested in place', async () => {
  const { page } = world;
  await page.goto(`${world.url}/`);
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Notifications' }).click();
  await page.getByRole('heading', { name: 'Nobody is told when a backup fails' }).waitFor();
  await world.look('notifications, empty');
  await page.setViewportSize({ width: 1280, height: 860 });
  await page.getByRole('link', { name: 'Add a channel' }).click();
  await page.getByLabel('Type', { exact: true }).selectOption({ label: 'Webhook' });
  await page.getByLabel('Name', { exact: true }).fill('Ops');
  await page.getByLabel('Server', { exact: true }).fill(capture.url);
  await page.getByLabel(/^Path/).fill('/hooks/backups');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('heading', { name: 'Ops', level: 1 }).waitFor();
  await page.getByText('No rule uses this channel yet').waitFor();
  await page.getByRole('button', { name: 'Send a test message' }).click();
  await page.getByText('Send a message', { exact: true }).waitFor();
  await page.getByText('Delivers', { exact: true }).waitFor();
  expect(capture.told.map(({ event }) => event)).toEqual(['test']);
  await world.look('notifications, channel');
  await page.setViewportSize({ width: 1280, height: 860 });
});

test('a rule for all failures needs no more than the channel, and a failing job is told', async () => {
  const { page } = world;
  await page.getByRole('link', { name: 'Add a rule' }).click();
  await page.getByRole('heading', { name: 'New notification rule' }).waitFor();
  expect(await page.getByRole('checkbox', { name: /^Ops/ }).isChecked()).toBe(true);
  expect(await page.getByRole('radio', { name: 'All jobs, including new ones' }).isChecked()).toBe(true);
  expect(await page.getByRole('checkbox', { name: /^Failed/ }).isChecked()).toBe(true);
  await world.look('notifications, new rule');
  await page.setViewportSize({ width: 1280, height: 860 });
  await page.getByRole('button', { name: 'Save rule' }).click();
  await page.getByRole('link', { name: 'Failures' }).waitFor();
  await page.getByText('Reminder every 24 hours.').waitFor();

  const database = join(world.folder, 'shop.db');
  renameSync(database, `${database}.away`);
  await backUp('failed');
  await until(async () => capture.told.some(({ event }) => event === 'failed'), 60_000);
  renameSync(`${database}.away`, database);
  await backUp('succeeded');
  await until(async () => capture.told.some(({ event, state }) => event !== 'test' && state === 'resolved'), 60_000);
});

test('sent messages are listed with their answers, and filtered in the address', async () => {
  const { page } = world;
  await page.goto(`${world.url}/notifications?tab=messages`);
  await page.getByText('Test message from dbackup').waitFor();
  await world.look('notifications, messages');
  await page.setViewportSize({ width: 1280, height: 860 });
  await page.goto(`${world.url}/notifications?tab=messages&state=sent&event=test`);
  const rows = page.locator('tbody tr[data-key]');
  await until(async () => (await rows.count()) === 1);
  await page.getByRole('button', { name: /^Failed/ }).click();
  await page.getByText('Nothing matches').waitFor();
  expect(page.url()).toContain('state=failed');
  await page.getByRole('button', { name: 'Show all' }).click();
  await until(async () => (await rows.count()) >= 3);
});

test('a service that refuses is shown in place, with what it said', async () => {
  const { page } = world;
  capture.status = 410;
  await page.goto(`${world.url}/notifications`);
  await page.getByRole('button', { name: 'More for Ops' }).click();
  await page.getByRole('menuitem', { name: 'Send a test message…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Test Ops' });
  await dialog.getByRole('button', { name: 'Send a test message' }).click();
  await dialog.getByText(/410/).waitFor();
  await dialog.getByRole('button', { name: 'Close' }).click();
  capture.status = 200;
});

test('a channel that a rule uses stays; without the rule, it is deleted after a question', async () => {
  const { page } = world;
  await page.goto(`${world.url}/notifications`);
  await page.getByRole('button', { name: 'More for Ops' }).click();
  const remove = page.getByRole('menuitem', { name: /^Delete…/ });
  expect(await remove.getAttribute('aria-disabled')).toBe('true');
  await page.keyboard.press('Escape');
  await page.goto(`${world.url}/notifications?tab=rules`);
  await page.getByRole('button', { name: 'More for Failures' }).click();
  await page.getByRole('menuitem', { name: 'Delete…' }).click();
  await page.getByRole('button', { name: 'Delete rule' }).click();
  await page.getByRole('heading', { name: 'No rule yet, so nothing is sent' }).waitFor();
  await page.goto(`${world.url}/notifications`);
  await page.getByRole('button', { name: 'More for Ops' }).click();
  await remove.click();
  await page.getByRole('button', { name: 'Delete channel' }).click();
  await page.getByRole('heading', { name: 'Nobody is told when a backup fails' }).waitFor();
});

test('others read notifications and change nothing', async () => {
  const channel = await world.ask('POST', '/api/channels', {
    name: 'Ops',
    settings: { type: 'webhook', server: capture.url },
  });
  const reader = { name: 'bob', password: 'another few words of bob', role: 'viewer' };
  await world.ask('POST', '/api/users', reader);
  const context = await world.visitor();
  const page = await context.newPage();
  await page.goto(`${world.url}/notifications`);
  await page.getByLabel('Username').fill(reader.name);
  await page.getByLabel('Password').fill(reader.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('link', { name: 'Ops', exact: true }).waitFor();
  expect(await page.getByRole('link', { name: 'Add channel' }).count()).toBe(0);
  await page.goto(`${world.url}/notifications/channels/${channel.id}`);
  await page.getByRole('heading', { name: 'Ops', level: 1 }).waitFor();
  expect(await page.getByLabel('Name', { exact: true }).isDisabled()).toBe(true);
  expect(await page.getByRole('button', { name: 'Send a test message' }).count()).toBe(0);
  await context.close();
});
