/** What the page about a source shows. */
import { api, ask, type Job, type Run, type Source } from '../../api/client';
import { allAdapters } from '../../parts/adapters';
import { allJobs } from '../../parts/lists';
import { newestRestores } from '../backups/read';
import { backupsAfter, type Backup, grouped, type Stored } from '../backups/stored';
import { databasesOf, isOver, isStored, isSuccess, requestOf } from '../runs/words';

/** The backups of so many jobs are looked at, and so many copies of each. */
const MAX_JOBS = 20;
const COPIES = 200;

export type DatabaseState = 'failed' | 'none' | 'new' | 'good' | 'gone';

/** A database of a source, with the jobs that back it up and its newest backup. */
export interface DatabaseRow {
  /** Absent if the source is the database. */
  name: string | undefined;
  jobs: Job[];
  newest: Backup | undefined;
  state: DatabaseState;
}

/** The newest copies that jobs have stored. A job of the same name on another server is not meant. */
export async function copiesOf(jobs: Job[], address: string, database?: string): Promise<Stored[]> {
  const parts = await Promise.all(
    jobs.slice(0, MAX_JOBS).map(async ({ id, name }) => {
      const { backups } = await backupsAfter({ job: name, database }, undefined, COPIES);
      return backups.filter(({ jobId, source }) => jobId === id || source === address);
    }),
  );
  return parts.flat().sort((one, other) => (one.time < other.time ? 1 : -1));
}

export async function readSource(id: string) {
  const [source, jobs, adapters, restores] = await Promise.all([
    ask(api.GET('/api/sources/{id}', { params: { path: { id } } })),
    allJobs({ sourceId: id }),
    allAdapters(),
    newestRestores(),
  ]);
  const adapter = adapters.sources.find((one) => one.id === source.settings.type);
  return {
    source,
    adapter,
    isFile: adapter?.databaseFiles ?? false,
    jobs,
    copies: await copiesOf(jobs, source.address),
    restores: restores.filter((run) => requestOf(run).sourceId === id),
  };
}

export type SourcePage = Awaited<ReturnType<typeof readSource>>;

/** The databases that the source has now; asks the source itself, which takes as long as it takes. */
export const readDatabases = (id: string) => ask(api.GET('/api/sources/{id}/databases', { params: { path: { id } } }));

/** Whether a job backs a database up. */
export const backsUp = ({ databases }: Job, name: string | undefined): boolean =>
  name === undefined || !databases || databases.includes(name);

/** How the last run of a job went for one database; `undefined` before there is one. */
function wentWell({ lastRun }: Job, name: string | undefined): boolean | undefined {
  if (!lastRun || !isOver(lastRun)) return undefined;
  const all = databasesOf(lastRun as Run);
  const one = name === undefined ? all[0] : all.find(({ database }) => database === name);
  return one ? isStored(one) : isSuccess(lastRun.state);
}

export function stateOf(jobs: Job[], name: string | undefined, hasBackup: boolean, isThere: boolean): DatabaseState {
  if (!isThere) return 'gone';
  const enabled = jobs.filter((job) => backsUp(job, name));
  if (enabled.length === 0) return 'none';
  const outcomes = enabled.map((job) => wentWell(job, name));
  if (outcomes.includes(false)) return 'failed';
  return hasBackup || outcomes.includes(true) ? 'good' : 'new';
}

/** All databases that are known: those that the source has, if that could be asked, and those that there are backups of. */
export function databaseRows(
  { isFile, jobs, copies }: Pick<SourcePage, 'isFile' | 'jobs' | 'copies'>,
  there: string[] | undefined,
) {
  const newest = (name: string | undefined) =>
    grouped(copies.filter(({ state, database }) => state !== 'missing' && (isFile || database === name)))[0];
  const row = (name: string | undefined, isThere: boolean): DatabaseRow => {
    const backup = newest(name);
    return {
      name,
      jobs: jobs.filter((job) => backsUp(job, name)),
      newest: backup,
      state: stateOf(jobs, name, backup !== undefined, isThere),
    };
  };
  if (isFile) return [row(undefined, true)];
  const chosen = jobs.flatMap(({ databases }) => databases ?? []);
  const stored = copies.flatMap(({ database }) => database ?? []);
  const names = [...new Set([...(there ?? []), ...chosen, ...stored])].sort((one, other) => one.localeCompare(other));
  return names.map((name) => row(name, there?.includes(name) ?? true));
}

export const nameOf = ({ name }: DatabaseRow, source: Source): string => name ?? source.name;
