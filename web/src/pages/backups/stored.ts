import { api, ask, type Scan, type StoredBackup } from '../../api/client';

/** A backup with where it is. */
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

const PAGE = 200;

export interface Part {
  backups: Stored[];
  cursor?: string;
}

/** A page of backups as they were last seen: the server reads nothing from the destinations for it. */
export async function backupsAfter(query: Query, cursor?: string): Promise<Part> {
  const page = await ask(api.GET('/api/backups', { params: { query: { ...query, cursor, limit: PAGE } } }));
  const backups = page.items.map((backup) => ({
    ...backup,
    destination: { id: backup.destinationId, name: backup.destination },
    key: `${backup.destinationId} ${backup.path}`,
  }));
  return { backups, cursor: page.nextCursor ?? undefined };
}

export const summaryOf = (query: Query) => ask(api.GET('/api/backups/summary', { params: { query } }));

export const names = () => ask(api.GET('/api/backups/names'));

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
