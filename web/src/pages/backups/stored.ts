/** What the server knows of the backups that are stored. */
import { api, ask, everything, PAGE, type Scan, type StoredBackup } from '../../api/client';
import { counted } from '../../format';

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

/** All backups that a query lets through, within the limits of a list. */
const allBackups = async (query: Query): Promise<Stored[]> =>
  (
    await everything((cursor) => ask(api.GET('/api/backups', { params: { query: { ...query, cursor, limit: PAGE } } })))
  ).map(storedOf);

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
  const found = await allBackups({ destination, search: searchOf(path) });
  const copy = found.find((one) => one.path === path);
  if (!copy) return undefined;
  const { job, time, backupId } = copy;
  const end = new Date(Date.parse(time) + 1000).toISOString();
  // One run stores a backup of each database at the same time.
  const siblings = await allBackups({ job, database: copy.database ?? undefined, from: time, to: end });
  const copies = siblings.filter((one) => one.backupId === backupId);
  return copies.some(({ key }) => key === copy.key) ? copies : [copy, ...copies];
}

type Place = Pick<StoredBackup, 'destinationId' | 'path'>;

const addressOf = (page: string, { destinationId, path }: Place): string =>
  `/backups/${page}?${new URLSearchParams({ destination: destinationId, path }).toString()}`;

/** The address of a copy's page. */
export const pageOf = (copy: Place): string => addressOf('view', copy);

/** The address of its restore. */
export const restoreOf = (copy: Place): string => addressOf('restore', copy);

/** Whether it was there when it was last looked for: what is missing or being deleted cannot be restored. */
export const isThere = ({ state }: Stored): boolean => state === 'present' || state === 'unconfirmed';

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

/** "2 backups"; "2 copies" if they are of fewer backups, or if some of the same backups stay. */
export function countedCopies(copies: Pick<Stored, 'backupId'>[], others = 0): string {
  const backups = new Set(copies.map(({ backupId }) => backupId)).size;
  const isWhole = backups === copies.length && others === 0;
  return isWhole ? counted(copies.length, 'backup') : counted(copies.length, 'copy', 'copies');
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
