import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { join } from 'node:path';
import { pretendOtherAccount } from './sqlite';
import { APP_SECRET, World } from './world';

let world: World;
let destination: string;
let source: string;
beforeAll(async () => {
  world = await World.start();
  ({ destination, source } = await world.ready());
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await world.page.screenshot({ path: 'artifacts/failed authorization.png' });
});
afterAll(async () => {
  await world?.stop();
});
const open = () => world.page.goto(`${world.url}/destinations/${destination}/edit`);
const main = () => world.page.getByRole('main');

test('M-04 M-15: a consent that is denied says so, and nothing is authorized', async () => {
  await open();
  const opens = world.context.waitForEvent('page');
  await main().getByRole('button', { name: 'Authorize with Dropbox' }).click();
  const popup = await opens;
  await popup.getByRole('button', { name: /deny/i }).click();
  await world.page.getByText('The access was not allowed in Dropbox: authorize again, and click Allow').waitFor();
  await main().getByText('Authorization required').waitFor();
  await world.look('consent denied');
});

test('M-15: a job whose Dropbox is not authorized fails with the cure', async () => {
  const job = { name: 'early', sourceId: source, destinationIds: [destination] };
  const { id } = await world.ask('POST', '/api/jobs', job);
  const run = await world.ask('POST', `/api/jobs/${id}/run`);
  await world.page.goto(`${world.url}/runs/${run.id}`);
  await world.page.getByRole('alert').getByText('not authorized yet').waitFor();
  await world.look('run, not authorized');
  await world.page.goto(world.url);
  await world.page.getByText('1 database needs attention.').waitFor();
  await world.page.getByRole('button', { name: 'Authorize: Offsite needs authorization' }).waitFor();
  await world.look('overview, attention');
  await world.ask('DELETE', `/api/jobs/${id}`);
});

test('M-04: where pop-ups are blocked, consent is given in the same window', async () => {
  await open();
  await world.page.evaluate(() => {
    window.open = () => null;
  });
  await main().getByRole('button', { name: 'Authorize with Dropbox' }).click();
  await world.page.getByRole('button', { name: /allow/i }).click();
  await world.page.getByText('Offsite is authorized').waitFor();
  await main().getByText('Authorized', { exact: true }).waitFor();
  expect(new URL(world.page.url()).search).toBe('');
});

test('M-06: a token that has expired is made anew by itself', async () => {
  await world.emulator('POST', 'tokens/expire');
  await open();
  await main().getByRole('button', { name: 'Test connection' }).click();
  await main().getByRole('button', { name: 'Test again' }).waitFor();
  await main().getByText('Authorized', { exact: true }).waitFor();
  await world.look('destination, tested');
});

test('M-05 M-08: what was revoked in Dropbox says so at the next use, and is authorized again', async () => {
  await world.emulator('POST', 'grant/revoke');
  await open();
  await main().getByRole('button', { name: 'Check now' }).click();
  await main().getByText('Re-authorization required').waitFor();
  await world.look('destination, revoked');
  const opens = world.context.waitForEvent('page');
  await main().getByRole('button', { name: 'Re-authorize' }).click();
  await (await opens).getByRole('button', { name: /allow/i }).click();
  await main().getByText('Authorized', { exact: true }).waitFor();
});

test('M-04: a server that Dropbox cannot redirect to takes the code that Dropbox shows', async () => {
  await world.emulator('POST', 'grant/revoke');
  await world.ask('POST', `/api/destinations/${destination}/check`);
  await open();
  await main().getByRole('button', { name: 'Authorize with a code' }).click();
  await main().getByLabel('Code from Dropbox').fill('not a code');
  await main().getByRole('button', { name: 'Authorize with this code' }).click();
  await main().getByRole('alert').first().waitFor();
  await world.look('code refused');
  const opens = world.context.waitForEvent('page');
  await main().getByRole('link', { name: 'open the consent page' }).click();
  const consent = await opens;
  await consent.getByRole('button', { name: /allow/i }).click();
  const code = (await consent.locator('output').textContent()) ?? '';
  await consent.close();
  await main().getByLabel('Code from Dropbox').fill(code);
  await main().getByRole('button', { name: 'Authorize with this code' }).click();
  await main().getByText('Authorized', { exact: true }).waitFor();
});

test('M-15: an app that Dropbox does not know says so, and a new App Secret cures it', async () => {
  const settings = { type: 'dropbox', folder: '' };
  const path = `/api/destinations/${destination}`;
  await world.ask('PUT', path, { name: 'Offsite', settings, appSecret: 'of another app' });
  await open();
  await main().getByRole('button', { name: 'Check now' }).click();
  await main().getByText('App not recognized').waitFor();
  await main().getByText('Copy both again from the Settings tab').waitFor();
  await world.look('destination, app not recognized');
  await main().getByLabel('App Secret').fill(APP_SECRET);
  await main().getByRole('button', { name: 'Save' }).click();
  await main().getByText('Authorized', { exact: true }).first().waitFor();
});

test('M-05: another account is asked about, and kept out if the answer is no', async () => {
  for (const [answer, account] of [
    ['Keep previous account', 'before@example.com'],
    ['Use new account', 'ada@example.com'],
  ] as const) {
    pretendOtherAccount(join(world.folder, 'data', 'dbackup.db'), 'before@example.com');
    await open();
    const opens = world.context.waitForEvent('page');
    await main().getByRole('button', { name: 'Re-authorize' }).click();
    await (await opens).getByRole('button', { name: /allow/i }).click();
    await world.page.getByRole('heading', { name: 'Use another Dropbox account?' }).waitFor();
    if (answer === 'Keep previous account') await world.look('destination, another account');
    await world.page.getByRole('button', { name: answer }).click();
    await world.page.getByRole('heading', { name: 'Use another Dropbox account?' }).waitFor({ state: 'detached' });
    const shown = await world.ask<{ authorization: { account: { email: string } } }>(
      'GET',
      `/api/destinations/${destination}`,
    );
    expect(shown.authorization.account.email.includes('before')).toBe(account.includes('before'));
  }
});

test('M-15: a redirect that does not come says what to do, and a callback of nobody ends on a page', async () => {
  await open();
  const opens = world.context.waitForEvent('page');
  await main().getByRole('button', { name: 'Re-authorize' }).click();
  await (await opens).close();
  await main().getByText('Does Dropbox show “Invalid redirect_uri”?').click();
  await main().getByText('/api/adapters/dropbox/callback').last().waitFor();
  await world.look('destination, waiting');
  await main().getByRole('button', { name: 'stop waiting' }).click();
  await world.page.goto(`${world.url}/api/adapters/dropbox/callback?code=x&state=made-up`);
  await world.page.getByRole('alert').getByText('Open the destination and authorize again').waitFor();
  await world.look('callback of nobody');
});

test('M-15: a folder that Dropbox cannot have is refused in the form', async () => {
  await world.page.goto(`${world.url}/destinations/${destination}/edit?tab=configuration`);
  await main().getByLabel('Folder Path').fill('/a//b');
  await main().getByRole('button', { name: 'Save' }).click();
  await main().getByText('Has a double slash').first().waitFor();
  await world.look('destination, folder refused');
});

test('M-14 M-15 M-16: a full Dropbox is told with what is used and what is allowed', async () => {
  const profile = await world.ask('POST', '/api/profiles', { name: 'Company' });
  const input = { name: 'shop', sourceId: source, destinationIds: [destination], profileId: profile.id };
  const job = await world.ask('POST', '/api/jobs', input);
  await world.emulator('PUT', 'quota', '1KiB');
  const run = await world.ask('POST', `/api/jobs/${job.id}/run`);
  await world.page.goto(`${world.url}/runs/${run.id}`);
  const alert = world.page.getByRole('alert');
  await alert.waitFor();
  expect(await alert.textContent()).toContain('is full (0 B of 1.0 KiB used)');
  expect(await alert.textContent()).toContain('Offsite');
  await world.look('run, quota');
  await world.emulator('PUT', 'quota', '2GiB');
  const again = await world.ask('POST', `/api/jobs/${job.id}/run`);
  await world.page.goto(`${world.url}/runs/${again.id}`);
  await world.page.getByText('Verified', { exact: true }).waitFor();
  expect(await world.page.getByText('.zst.age').first().textContent()).toContain('shop/backup_');
  expect(world.complaints).toEqual([]);
});
