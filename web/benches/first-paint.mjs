// How soon the first page is there, on a machine four times slower, and how much script it takes. Wants target/release/dbackup, or DBACKUP.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium } from 'playwright-core';

const ROUNDS = 9;
const SLOWER = 4;

const folder = mkdtempSync(join(tmpdir(), 'dbackup-first-paint-'));
const port = await new Promise((resolve) => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});
const url = `http://localhost:${port}`;
const args = ['serve', '--data', join(folder, 'data'), '--listen', `127.0.0.1:${port}`];
const server = spawn(process.env.DBACKUP ?? '../target/release/dbackup', args, {
  env: { ...process.env, PUBLIC_URL: url },
  stdio: 'ignore',
});
while (!(await fetch(`${url}/readyz`).catch(() => undefined))?.ok) await sleep(50);

const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: sandbox });
const signedIn = await browser.newContext();
const token = readFileSync(join(folder, 'data', 'setup-token'), 'utf8').trim();
const data = { token, name: 'anna', password: 'a few words make a good one' };
await signedIn.request.post(`${url}/api/setup`, { data, headers: { origin: url } });
const cookies = await signedIn.cookies();

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
for (const [name, own] of [
  ['sign-in', []],
  ['overview', cookies],
]) {
  const paints = [];
  const useful = [];
  let script = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const context = await browser.newContext();
    await context.addCookies(own);
    const page = await context.newPage();
    const sizes = [];
    page.on('response', (response) => {
      if (response.url().endsWith('.js'))
        sizes.push(response.allHeaders().then((all) => Number(all['content-length'])));
    });
    const devtools = await context.newCDPSession(page);
    await devtools.send('Emulation.setCPUThrottlingRate', { rate: SLOWER });
    const began = performance.now();
    await page.goto(url);
    await page.getByRole('heading', { level: 1 }).waitFor();
    useful.push(performance.now() - began);
    const paint = () => performance.getEntriesByName('first-contentful-paint')[0]?.startTime;
    paints.push(await page.evaluate(paint));
    await page.waitForLoadState('networkidle');
    script = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
    await context.close();
  }
  const milliseconds = (value) => `${Math.round(value)} ms`;
  console.log(
    `${name}: first contentful paint ${milliseconds(median(paints))}, heading ${milliseconds(median(useful))}, ` +
      `script ${(script / 1024).toFixed(0)} KiB (CPU ${SLOWER} times slower, median of ${ROUNDS}, nothing cached)`,
  );
}
await browser.close();
server.kill();
rmSync(folder, { recursive: true });
