/** A server with the pages in it, a Dropbox emulator and a browser, for one story or several. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import AxeBuilder from '@axe-core/playwright';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { expect } from 'vitest';
import { makeDatabase } from './sqlite';

const BINARIES = process.env.DBACKUP_BINARIES ?? '../target/debug';
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const PICTURES = 'artifacts';
export const PASSWORD = 'a few words make a good one';
/** Of the emulator. */
export const APP_KEY = 'emulator-app-key';
export const APP_SECRET = 'emulator-app-secret';

const SIZES = {
  wide: { width: 2560, height: 1440 },
  phone: { width: 375, height: 812 },
  desktop: { width: 1280, height: 860 },
};

export class World {
  readonly folder = mkdtempSync(join(tmpdir(), 'dbackup-story-'));
  /** What the pages wrote to the console as errors, or threw. */
  readonly complaints: string[] = [];
  url = '';
  /** The emulator's address. */
  dropbox = '';
  page!: Page;
  context!: BrowserContext;
  #browser!: Browser;
  #processes: ChildProcess[] = [];

  /** An empty server, with further arguments if it needs them. */
  static async start(more: string[] = []): Promise<World> {
    const world = new World();
    const emulator = world.run('dropbox-emulator', ['--listen', '127.0.0.1:0', '--plain']);
    const dropbox = JSON.parse(await firstLine(emulator)) as Record<string, string>;
    world.dropbox = dropbox.web ?? '';
    const port = await freePort();
    world.url = `http://localhost:${port}`;
    const endpoints = {
      DROPBOX_API_URL: dropbox.api,
      DROPBOX_CONTENT_URL: dropbox.content,
      DROPBOX_WEB_URL: dropbox.web,
      PUBLIC_URL: world.url,
    };
    const listen = `127.0.0.1:${port}`;
    world.run('dbackup', ['serve', '--data', join(world.folder, 'data'), '--listen', listen, ...more], endpoints);
    await until(async () => (await fetch(`${world.url}/readyz`)).ok);
    await world.#browse();
    return world;
  }

  /** The program's own demo instead of an empty server. */
  static async demo(): Promise<World> {
    const world = new World();
    const port = await freePort();
    world.url = `http://localhost:${port}`;
    world.run('dbackup', ['demo', '--folder', join(world.folder, 'demo'), '--listen', `127.0.0.1:${port}`]);
    await until(async () => (await fetch(`${world.url}/readyz`)).ok);
    await world.#browse();
    return world;
  }

  /** A server with adapters that only tests know (crates/made-up). */
  static async madeUp(): Promise<World> {
    const world = new World();
    const port = await freePort();
    world.url = `http://localhost:${port}`;
    world.run('made-up-server', [join(world.folder, 'data'), `127.0.0.1:${port}`]);
    await until(async () => (await fetch(`${world.url}/readyz`)).ok);
    await world.#browse();
    return world;
  }

  async #browse() {
    const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
    this.#browser = await chromium.launch({ executablePath: CHROMIUM, args: sandbox });
    this.context = await this.visitor();
    this.page = await this.context.newPage();
  }

  /** Another person's browser. */
  async visitor({ locale = 'en-GB', timezoneId = 'Europe/Zurich' } = {}): Promise<BrowserContext> {
    const context = await this.#browser.newContext({ viewport: SIZES.desktop, locale, timezoneId });
    context.setDefaultTimeout(20_000);
    context.on('page', (page) => this.#watch(page));
    return context;
  }

  /** Starts a program, until the end of the world. */
  run(name: string, args: string[], environment: Record<string, string | undefined> = {}): ChildProcess {
    const env = { ...process.env, ...environment };
    const child = spawn(name.includes('/') ? name : join(BINARIES, name), args, {
      env,
      stdio: ['ignore', 'pipe', openSync(join(this.folder, `${basename(name)}.log`), 'a')],
    });
    child.stdout?.on('data', () => undefined);
    this.#processes.push(child);
    return child;
  }

  #watch(page: Page) {
    page.on('pageerror', (error) => this.complaints.push(`${page.url()}: ${error.message}`));
    page.on('console', (message) => {
      // The browser itself writes of every answer that is not a success; pages handle those.
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
        this.complaints.push(`${page.url()}: ${message.text()}`);
      }
    });
  }

  /** What no page can do: see the emulator's own help. */
  async emulator(method: string, what: string, body?: string) {
    const answer = await fetch(`${this.dropbox}/emulator/${what}`, { method, body });
    expect(answer.status, await answer.text()).toBe(200);
  }

  /** Asks the server as the page's user, where a story is not about the clicks. */
  async ask<T = { id: string }>(method: string, path: string, data?: unknown): Promise<T> {
    const answer = await this.context.request.fetch(this.url + path, { method, data, headers: { origin: this.url } });
    expect(answer.ok(), `${method} ${path}: ${await answer.text()}`).toBe(true);
    return answer.status() === 204 ? (undefined as T) : ((await answer.json()) as T);
  }

  /** An administrator, signed in, with a SQLite database and a Dropbox that is still to be authorized. */
  async ready() {
    const token = this.setupToken;
    await this.ask('POST', '/api/setup', { token, name: 'anna', password: PASSWORD });
    const database = join(this.folder, 'shop.db');
    makeDatabase(database);
    const source = await this.ask('POST', '/api/sources', {
      name: 'Shop',
      settings: { type: 'sqlite', path: database },
    });
    const settings = { type: 'dropbox', folder: '' };
    const app = { appKey: APP_KEY, appSecret: APP_SECRET };
    const destination = await this.ask('POST', '/api/destinations', { name: 'Offsite', settings, ...app });
    return { source: source.id, destination: destination.id };
  }

  /** Authorizes a destination, in this very window. */
  async authorize(destination: string) {
    const path = `/api/destinations/${destination}/authorization`;
    const { url } = await this.ask<{ url: string }>('POST', path, { mode: 'redirect' });
    await this.page.goto(url);
    await this.page.getByRole('button', { name: /allow/i }).click();
    await this.page.getByText('Offsite is authorized').waitFor();
  }

  get setupToken(): string {
    return readFileSync(join(this.folder, 'data', 'setup-token'), 'utf8').trim();
  }

  /** Makes the first administrator, as a person does. */
  async setUp() {
    await this.page.goto(this.url);
    await this.page.getByLabel('Setup token').fill(this.setupToken);
    await this.page.getByLabel('Name').fill('anna');
    await this.page.getByLabel('Password').fill(PASSWORD);
    await this.page.getByRole('button', { name: 'Create account' }).click();
    await this.page.getByRole('heading', { name: 'Overview' }).waitFor();
  }

  /** Looks at the page as axe does, and keeps its picture: light and dark, on a desktop, a phone and a wide screen. */
  async look(name: string) {
    mkdirSync(PICTURES, { recursive: true });
    for (const colorScheme of ['light', 'dark'] as const) {
      await this.page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      for (const [size, viewport] of Object.entries(SIZES)) {
        await this.page.setViewportSize(viewport);
        await this.page.screenshot({ path: join(PICTURES, `${name} ${colorScheme} ${size}.png`) });
        const width = await this.page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        );
        expect.soft(width, `${name} is wider than a ${size}`).toBeLessThanOrEqual(0);
      }
      expect.soft(await this.#seriousViolations(), `axe on ${name}, ${colorScheme}`).toEqual([]);
    }
    await this.page.emulateMedia({ colorScheme: 'light' });
  }

  async #seriousViolations(): Promise<string[]> {
    const { violations } = await new AxeBuilder({ page: this.page }).analyze();
    const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
    return serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`);
  }

  async stop() {
    await this.#browser?.close();
    for (const process of this.#processes) process.kill('SIGKILL');
    if (existsSync(this.folder)) rmSync(this.folder, { recursive: true });
  }
}

/** Waits for something outside of the browser. */
export async function until(isSo: () => Promise<boolean>, most = 20_000) {
  const end = Date.now() + most;
  while (!(await isSo().catch(() => false))) {
    if (Date.now() > end) throw new Error('waited in vain');
    await sleep(50);
  }
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes('\n')) resolve(text.slice(0, text.indexOf('\n')));
    });
    child.on('exit', () => reject(new Error('it ended before it was ready')));
  });
}

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
