/** What lies between success and failure: warnings, findings of a review, objects that fail, databases that are kept. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { World } from './world';

let world: World;
let run: Record<string, unknown> & { id: string; result: { databases: Record<string, unknown>[] } };
let job: string;
let backup: URLSearchParams;
beforeAll(async () => {
  world = await World.start();
  const { source, destination } = await world.ready();
  await world.authorize(destination);
  const made = await world.ask('POST', '/api/jobs', { name: 'shop', sourceId: source, destinationIds: [destination] });
  job = made.id;
  const begun = await world.ask('POST', `/api/jobs/${job}/run`);
  await world.page.goto(`${world.url}/runs/${begun.id}`);
  const path = await world.page.getByText(/^shop\/backup_.*\.zst$/).textContent();
  await world.page.getByText('Succeeded').first().waitFor();
  run = await world.ask('GET', `/api/runs/${begun.id}`);
  backup = new URLSearchParams({ destination, path: path ?? '' });
});
afterEach(async ({ task }) => {
  await world.page.unrouteAll({ behavior: 'ignoreErrors' });
  if (task.result?.state === 'fail') await world.page.screenshot({ path: 'artifacts/failed states.png' });
  expect(world.complaints).toEqual([]);
});
afterAll(async () => {
  await world?.stop();
});

const WARNINGS = [
  {
    code: 'invalid-database',
    subject: 'broken',
    message: "'broken' is invalid and was left out",
    cure: 'Drop it: DROP DATABASE broken',
  },
];

/** Answers as a server whose source leaves something out. */
async function withWarnings() {
  const unlogged = {
    code: 'unlogged-tables',
    message: '2 unlogged tables are empty in the backup',
    cure: 'SET LOGGED',
  };
  const databases = run.result.databases.map((database) => ({ ...database, warnings: [unlogged] }));
  const warned = { ...run, state: 'succeededWithWarnings', result: { databases, warnings: WARNINGS } };
  await world.page.route(`**/api/runs/${run.id}`, (route) => route.fulfill({ json: warned }));
  await world.page.route('**/api/overview?*', async (route) => {
    const overview = await (await route.fetch()).json();
    Object.assign(overview.jobs, { warnings: 1, good: overview.jobs.good - 1 });
    await route.fulfill({ json: overview });
  });
  await world.page.route('**/api/jobs?*', async (route) => {
    const jobs = await (await route.fetch()).json();
    const [first] = jobs.items;
    first.lastRun = warned;
    Object.assign(first.standing, { status: 'warnings', state: 'succeededWithWarnings', warnings: 2 });
    first.days?.forEach((day: object) => Object.assign(day, { withWarnings: 1 }));
    await route.fulfill({ json: jobs });
  });
}

test('a job with warnings is good, says so, and leads to them', async () => {
  const { page } = world;
  await withWarnings();
  await page.goto(world.url);
  await page.getByRole('button', { name: 'With warnings 1' }).waitFor();
  await page.getByRole('heading', { name: /backed up/ }).waitFor();
  await world.look('overview, with warnings');
  await page.getByRole('link', { name: 'Succeeded with warnings' }).click();
  await page.getByRole('heading', { name: 'Warnings' }).waitFor();
  await page.getByText('Drop it: DROP DATABASE broken').waitFor();
  expect(await page.getByText('2 unlogged tables are empty in the backup').count()).toBe(1);
  await world.look('run, with warnings');
});

test('a warning is acknowledged at the run, and taken back at the job', async () => {
  const { page } = world;
  await withWarnings();
  await page.goto(`${world.url}/runs/${run.id}`);
  await page.getByRole('button', { name: 'Acknowledge invalid-database:broken' }).click();
  await page.getByText('Acknowledged', { exact: true }).waitFor();
  const kept = () => world.ask<{ acknowledgedWarnings: string[] }>('GET', `/api/jobs/${job}`);
  expect((await kept()).acknowledgedWarnings).toEqual(['invalid-database:broken']);
  await page.goto(`${world.url}/jobs/${job}/edit`);
  await page.getByText('the WAL of SQLite grows').waitFor();
  await world.look('job, with an acknowledged warning');
  await page.getByRole('button', { name: 'Remove invalid-database:broken' }).click();
  await page.getByRole('button', { name: 'Save job' }).click();
  await page.getByText('Job saved').waitFor();
  expect((await kept()).acknowledgedWarnings).toEqual([]);
});

test('the runs can be filtered by their warnings', async () => {
  const { page } = world;
  await page.goto(`${world.url}/runs?state=succeededWithWarnings`);
  await page.getByText('Nothing matches. Try another filter.').waitFor();
  expect(await page.getByRole('button', { name: /^With warnings/ }).getAttribute('aria-pressed')).toBe('true');
  await page.getByRole('button', { name: /^All/ }).click();
  await page.getByRole('row').nth(1).getByText('Backup, ').waitFor();
  expect(new URL(page.url()).search).toBe('');
});

test('a review shows what stands in the way, with the cure to copy, and bars nothing', async () => {
  const { page } = world;
  let asked: Record<string, unknown> = {};
  const findings = [
    { severity: 'blocks', code: 'missing-role', message: "Role 'app' does not exist", sql: 'CREATE ROLE "app";' },
    { severity: 'warns', code: 'sessions', message: "3 sessions are connected to 'shop'" },
    { severity: 'informs', code: 'version', message: 'The backup is from PostgreSQL 16' },
  ];
  await page.route('**/api/restores/preview', async (route) => {
    const preview = await (await route.fetch()).json();
    await route.fulfill({ json: { ...preview, findings } });
  });
  await page.route('**/api/restores', async (route) => {
    asked = route.request().postDataJSON() as Record<string, unknown>;
    await route.continue();
  });
  await page.goto(`${world.url}/backups/restore?${backup.toString()}`);
  await page.getByRole('textbox', { name: 'File' }).fill(`${world.folder}/reviewed.db`);
  await page.getByRole('button', { name: 'Review restore' }).click();
  await page.getByText('CREATE ROLE "app";').waitFor();
  await page.getByRole('button', { name: 'Copy the SQL for missing-role' }).waitFor();
  await page.getByRole('button', { name: /^Restore into/ }).click();
  await page.getByText('Choose how to restore despite what stops it.').waitFor();
  await world.look('restore, reviewed');
  await page.getByRole('checkbox', { name: /Continue past errors/ }).check();
  await page.getByRole('button', { name: /^Restore into/ }).click();
  await page.getByText(/^Restored .*Checked: /).waitFor({ timeout: 30_000 });
  expect(asked).toMatchObject({ onError: 'continue', overwrite: false, inPlace: false });
});

test('a partial restore lists its objects; a kept database is put in place from its run', async () => {
  const { page } = world;
  const restore = { ...run, kind: 'restore', jobId: undefined, title: 'shop into postgres://db/shop' };
  const object = {
    object: 'MATERIALIZED VIEW public.totals',
    error: 'could not execute query: ERROR: function public.total(integer) does not exist',
    cure: "Create it first, or set the function's search_path",
  };
  const error = `${object.object} could not be restored; everything else was`;
  let answer: object = {
    ...restore,
    state: 'partial',
    error,
    result: { target: 'postgres://db/shop', failedObjects: [object], failedObjectCount: 1 },
  };
  await page.route(`**/api/runs/${run.id}`, (route) => route.fulfill({ json: answer }));
  await page.goto(`${world.url}/runs/${run.id}`);
  await page.getByText("Create it first, or set the function's search_path").waitFor();
  await world.look('run, partial restore');

  const kept = 'shop__dbackup_restore_1f2e3d4c';
  const [source] = (await world.ask<{ items: { id: string }[] }>('GET', '/api/sources')).items;
  answer = {
    ...restore,
    state: 'failed',
    error: `sessions come back. The restored database is complete and kept as '${kept}'`,
    request: { sourceId: source?.id, database: null, destinationId: 'd', path: 'p' },
    result: { kept },
  };
  await page.reload();
  const swap = page.getByRole('button', { name: 'Try the swap again' });
  await swap.waitFor();
  await world.look('run, kept database');
  await swap.click();
  await page
    .getByText(/keeps no restored databases/)
    .first()
    .waitFor();
});

test('a running backup tells since when its database is held', async () => {
  const { page } = world;
  const heldSince = new Date(Date.now() - 4 * 60_000).toISOString();
  const databases = [{ database: 'shop', stage: 'dumping', copies: [], heldSince }];
  const running = { ...run, state: 'running', finishedAt: undefined, result: { databases } };
  await page.route(`**/api/runs/${run.id}`, (route) => route.fulfill({ json: running }));
  await page.goto(`${world.url}/runs/${run.id}`);
  await page.getByText(/Database held since .*, 4 min/).waitFor();
});
