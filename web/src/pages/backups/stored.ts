/** What the server knows of the backups that are stored. */
import { api, ask, PAGE, type Scan, type StoredBackup } from '../../api/client';

/** A copy of a backup, with where it is. */
export interface Stored extends Omit<StoredBackup, 'destination'> {
  destination: { id: string; name: string };
  /** Over all destinations. */
  key: string;
}

/** What the list is narrowed to, as the server takes it. */
export interface Query {
  destination?: string;
  job?: string;
  database?: string;
  search?: string;
  status?: StatusName;
  from?: string;
  to?: string;
  oldest?: boolean;
}

export type StatusName = 'missing' | 'encrypted' | 'unencrypted' | 'noSidecar' | 'verified' | 'altered' | 'unverified';

export interface Part {
  backups: Stored[];
  cursor?: string;
}

export const storedOf = (backup: StoredBackup): Stored => ({
  ...backup,
  destination: { id: backup.destinationId, name: backup.destination },
  key: `${backup.destinationId} ${backup.path}`,
});

/** A page of backups as they were last seen: the server reads nothing from the destinations for it. */
export async function backupsAfter(query: Query, cursor?: string, limit = PAGE): Promise<Part> {
  const page = await ask(api.GET('/api/backups', { params: { query: { ...query, cursor, limit } } }));
  return { backups: page.items.map(storedOf), cursor: page.nextCursor ?? undefined };
}

export const summaryOf = (query: Query) => ask(api.GET('/api/backups/summary', { params: { query } }));

export const names = () => ask(api.GET('/api/backups/names'));

/** The longest search that the server takes. */
const MAX_SEARCH = 200;

/** A search that finds a path: only words with a slash are compared with it, in the file's own spelling. */
export const searchOf = (path: string): string =>
  path
    .split(/\s+/)
    .filter((word) => word.includes('/'))
    .join(' ')
    .slice(0, MAX_SEARCH);

/** A copy by its address, and all copies of the same backup, itself included. `undefined` if it is not known. */
export async function backupAt(destination: string, path: string): Promise<Stored[] | undefined> {
  const found = await backupsAfter({ destination, search: searchOf(path) });
  const copy = found.backups.find((one) => one.path === path);
  if (!copy) return undefined;
  const { job, time, backupId } = copy;
  const end = new Date(Date.parse(time) + 1000).toISOString();
  const { backups } = await backupsAfter({ job, from: time, to: end });
  const copies = backups.filter((one) => one.backupId === backupId);
  return copies.some(({ key }) => key === copy.key) ? copies : [copy, ...copies];
}

type Place = Pick<StoredBackup, 'destinationId' | 'path'>;

const addressOf = (page: string, { destinationId, path }: Place): string =>
  `/backups/${page}?${new URLSearchParams({ destination: destinationId, path }).toString()}`;

/** The address of a copy's page. */
export const pageOf = (copy: Place): string => addressOf('view', copy);

/** The address of its restore. */
export const restoreOf = (copy: Place): string => addressOf('restore', copy);

/** A copy that a backup can be restored from; those that were seen lately come first. */
export const restorable = (copies: Stored[]): Stored | undefined =>
  copies.find(({ state, verified }) => state === 'present' && verified?.result !== 'altered') ??
  copies.find(({ state }) => state === 'present') ??
  copies.find(({ state }) => state === 'unconfirmed');

/** A backup with its copies. */
export interface Backup {
  id: string;
  time: string;
  copies: Stored[];
}

/** Copies by the backup that they are of, in the order in which they come. */
export function grouped(copies: Stored[]): Backup[] {
  const byId = new Map<string, Stored[]>();
  for (const copy of copies) byId.set(copy.backupId, [...(byId.get(copy.backupId) ?? []), copy]);
  return [...byId].map(([id, all]) => ({ id, time: all[0]?.time ?? '', copies: all }));
}

/** The copy to restore from: of the newest backup. One that failed its verification only if there is no other. */
export function newestRestorable(backups: Backup[]): Stored | undefined {
  const copies = backups.flatMap(({ copies }) => restorable(copies) ?? []);
  return copies.find(({ verified }) => verified?.result !== 'altered') ?? copies[0];
}

export async function scans(): Promise<Scan[]> {
  return (await ask(api.GET('/api/scans'))).items;
}

/** Has the server scan a destination, unless it has done so less than `maxAge` seconds ago. */
export const scan = (id: string, maxAge: number) =>
  ask(api.POST('/api/destinations/{id}/scan', { params: { path: { id }, query: { maxAge } } }));

/** The first moment of a day of the reader's calendar, or of the day after it. */
export function momentOf(day: string, after = 0): string | undefined {
  const [year = 0, month = 1, date = 1] = day.split('-').map(Number);
  const moment = new Date(year, month - 1, date + after);
  return day && !Number.isNaN(moment.getTime()) ? moment.toISOString() : undefined;
}
