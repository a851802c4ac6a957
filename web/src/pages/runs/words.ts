import { type Run, type RunStatus, sentence } from '../../api/client';
import type { components } from '../../api/schema';

const CAUSES: Record<string, string> = {
  schedule: 'on schedule',
  retry: 'retried after an interruption',
  manual: 'manually',
  api: 'via API',
};

/** Why a run began. */
export const cause = (run: Run): string => CAUSES[run.cause] ?? run.cause;

const KINDS: Record<string, string> = { backup: 'Backup of', restore: 'Restore of', copy: 'Copy of' };
/** What a run is, before its name. */
export const kind = (run: Run): string => KINDS[run.kind] ?? run.kind;

export const isOver = (run: Run): boolean => run.state !== 'queued' && run.state !== 'running';

/** Whether every copy is complete and verified, with or without warnings. */
export const isSuccess = (state: RunStatus | null | undefined): boolean =>
  state === 'succeeded' || state === 'succeededWithWarnings';

/** "manually by anna", "on schedule". */
export const startedHow = (run: Run): string => `${cause(run)}${run.startedBy ? ` by ${run.startedBy}` : ''}`;

/** The names of sources and destinations by their ids. */
export type Names = Map<string, string>;

/** A run in a list: a restore and a copy by what is stored and where it goes, as users call it. */
export function titleIn(run: Run, names: Names): string {
  const { path = '', sourceId = '', database, toDestinationId = '' } = requestOf(run);
  const [job, file] = [path.slice(0, path.lastIndexOf('/')), path.slice(path.lastIndexOf('/') + 1)];
  const target = names.get(run.kind === 'copy' ? toDestinationId : sourceId);
  if (run.kind === 'backup' || !job || !target) return run.title;
  const at = /^backup_(\d{4}-\d{2}-\d{2})T(\d{2})-(\d{2})/.exec(file);
  const from = at ? `${job} (${at[1]} ${at[2]}:${at[3]} UTC)` : job;
  return `${from} → ${target}${database ? ` / ${database.slice(database.lastIndexOf('/') + 1)}` : ''}`;
}

/** In milliseconds; none before it has begun. */
export function took(run: Run, now: Date): number | undefined {
  if (!run.startedAt) return undefined;
  return new Date(run.finishedAt ?? now).getTime() - new Date(run.startedAt).getTime();
}

type Schemas = components['schemas'];

/** A copy at one destination: there if it has a path, missing if it has an error. */
export type Copy = { destination: string; destinationId?: string } & Partial<Schemas['StoredCopy']> &
  Partial<Schemas['MissingCopy']>;

/** Where a database stands whose backup is not through yet. */
export type Stage = Schemas['Stage'];

export type DatabaseResult = Omit<Schemas['DatabaseResult'], 'copies'> & { copies: Copy[] };

/** What a run left out or could not check. */
export type Warning = Schemas['ListedWarning'];

/** A warning with the database that it concerns, if it is one's. */
export type RunWarning = Warning & { database?: string };

/** What a backup came to, or has come to so far, database by database. */
export function databasesOf(run: Run | undefined): DatabaseResult[] {
  return run?.result && 'databases' in run.result ? run.result.databases : [];
}

/** Whether every destination has a complete copy of a database. */
export const isStored = ({ stage, error, copies }: DatabaseResult): boolean =>
  !stage && !error && copies.length > 0 && copies.every(({ path, error }) => path && !error);

/** Codes of failures that are the server's or a user's doing, whatever the run was at. */
const NOT_OF_A_PLACE = new Set<Run['code']>([
  'stopped',
  'timedOut',
  'cancelled',
  'interrupted',
  'cannotDecrypt',
  'unknownSpec',
  'internal',
]);

/** Whether a failure can be a source's or a destination's at all. */
export const canBeOfAPlace = (code: Run['code']): boolean => !NOT_OF_A_PLACE.has(code);

/** Whether a backup lacks a dump, and its source is why. */
export const failedAtSource = (run: Run | null | undefined): boolean =>
  databasesOf(run ?? undefined).some(({ error, code }) => error && canBeOfAPlace(code));

/** Every warning of a run, each once. */
export function warningsOf(run: Run): RunWarning[] {
  const own = (run.result && 'warnings' in run.result && run.result.warnings) || [];
  const all: RunWarning[] = [
    ...own,
    ...databasesOf(run).flatMap(({ database, warnings = [] }) => warnings.map((warning) => ({ ...warning, database }))),
  ];
  const seen = new Set<string>();
  return all.filter((warning) => {
    const key = JSON.stringify([warning.database, warning.code, warning.subject, warning.message]);
    return !seen.has(key) && seen.add(key);
  });
}

/** What acknowledges this warning, and no other of its kind. */
export const entryOf = ({ code, subject }: Warning): string => (subject ? `${code}:${subject}` : code);

/** Whether the job's owner knows of it. */
export const isAcknowledged = (warning: Warning, entries: string[]): boolean =>
  Boolean(warning.acknowledged) || entries.includes(warning.code) || entries.includes(entryOf(warning));

/** An object that a restore could not restore. */
export type FailedObject = Schemas['FailedObject'];

export interface Restored {
  /** The address of what was restored. */
  target?: string | null;
  /** Whether it has the backup's rows; absent if the backup recorded none. */
  rows?: Schemas['RowComparison'] | null;
  failedObjects: FailedObject[];
  failedObjectCount: number;
  /** The name of a restored database that is not in its place. */
  kept?: string | null;
  wayOn?: string | null;
}

/** What a restore came to. */
export function restoredOf(run: Run): Restored {
  const result = (run.kind === 'restore' && run.result ? run.result : {}) as Schemas['RestoreResult'];
  const { target, rows, failedObjects = [], failedObjectCount, kept, wayOn } = result;
  return { target, rows, failedObjects, failedObjectCount: failedObjectCount ?? failedObjects.length, kept, wayOn };
}

export interface RestoreRequest {
  destinationId?: string;
  path?: string;
  sourceId?: string;
  database?: string | null;
  /** Of a copy. */
  toDestinationId?: string;
  /** The id of the user who asked for it. */
  requestedBy?: string;
}

/** What a restore or a copy is about. */
export const requestOf = (run: Run): RestoreRequest => (run.request as RestoreRequest | null | undefined) ?? {};

/** A run in a line. */
interface Told {
  level: 'info' | 'success' | 'warning' | 'error';
  title: string;
  /** Why it is no success. */
  why?: string;
}

const NOUNS: Record<Run['kind'], string> = { backup: 'Backup', restore: 'Restore', copy: 'Copy' };

/** What a toast says of a run, as far as it is. */
export function told(run: Pick<Run, 'kind' | 'title' | 'state' | 'error'>): Told {
  const noun = `${NOUNS[run.kind]} of ${run.title}`;
  const why = run.error ? sentence(run.error) : undefined;
  if (isSuccess(run.state)) {
    const done = { backup: 'backed up', restore: 'restored', copy: 'copied' }[run.kind];
    if (run.state === 'succeeded') return { level: 'success', title: `${run.title} ${done}` };
    return { level: 'warning', title: `${run.title} ${done}, with warnings` };
  }
  if (run.state === 'queued') return { level: 'info', title: `${noun} is queued` };
  if (run.state === 'running') return { level: 'info', title: `${noun} is running…` };
  if (run.state === 'cancelled') return { level: 'info', title: `${noun} was cancelled` };
  if (run.state === 'partial') return { level: 'warning', title: `${noun} is incomplete`, why };
  return { level: 'error', title: `${noun} ${run.state === 'interrupted' ? 'was interrupted' : 'failed'}`, why };
}
