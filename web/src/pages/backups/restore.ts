/** Where a backup is restored into, as long as the user has not said otherwise. */
import { type Adapter, api, ask, type BackupDetails, type Source } from '../../api/client';
import { allAdapters } from '../../parts/adapters';
import { allSources } from '../../parts/lists';
import { backupsAfter, type Backup, grouped, newestRestorable, restorable, type Stored } from './stored';

/** PostgreSQL keeps so many bytes of a database's name (NAMEDATALEN - 1). */
const MAX_NAME_BYTES = 63;
/** The newest copies that a backup is chosen from. */
const CHOICES = 100;

/** Cut to whole characters. */
function cut(text: string, bytes: number): string {
  let rest = text;
  while (new TextEncoder().encode(rest).length > bytes) rest = [...rest].slice(0, -1).join('');
  return rest;
}

/** A name beside the original's: `shop_restored`, then `shop_restored_2`. */
export function newDatabase(original: string, attempt = 1): string {
  const suffix = `_restored${attempt > 1 ? `_${attempt}` : ''}`;
  return cut(original, MAX_NAME_BYTES - suffix.length) + suffix;
}

/** A file beside the original: `/srv/shop-restored-2026-11-25.db`, then `…-25-2.db`. */
export function newFile(original: string, time: string, attempt = 1): string {
  const name = original.slice(original.lastIndexOf('/') + 1);
  const dot = name.lastIndexOf('.');
  const stem = dot > 0 ? name.slice(0, dot) : name;
  const suffix = `-restored-${time.slice(0, 10)}${attempt > 1 ? `-${attempt}` : ''}`;
  return original.slice(0, original.length - name.length) + stem + suffix + name.slice(stem.length);
}

/** What is known of a backup that is to be restored. */
export interface Start {
  destinationId: string;
  destination: string;
  path: string;
  backup: BackupDetails;
  sources: Source[];
  /** The kinds of sources. */
  adapters: Adapter[];
  /** The source that it was made of, if it is still there. */
  originId: string | undefined;
}

type At = { destination: string; path: string };

/** The backup of this address, or the newest that can be restored of a job or of one of its databases. `null` without any. */
export async function readStart({ job, database, ...at }: At & { job: string; database: string }) {
  const [sources, adapters, found] = await Promise.all([
    allSources(),
    allAdapters(),
    at.path ? readAt(at) : readNewest(job, database),
  ]);
  if (!found) return null;
  const jobs = await ask(api.GET('/api/jobs', { params: { query: { name: found.backup.job } } }));
  const start: Start = { ...found, sources, adapters: adapters.sources, originId: jobs.items[0]?.sourceId };
  return start;
}

/** Asks the storage itself. */
async function readAt({ destination: id, path }: At) {
  const params = { path: { id } };
  const [destination, backup] = await Promise.all([
    ask(api.GET('/api/destinations/{id}', { params })),
    ask(api.GET('/api/destinations/{id}/backups/details', { params: { ...params, query: { path } } })),
  ]);
  return { destinationId: id, destination: destination.name, path, backup };
}

/** Where one destination cannot be reached, the copy at another one serves as well. */
async function readNewest(job: string, database: string) {
  if (!job) return undefined;
  const { backups } = await backupsAfter({ job, database: database || undefined }, undefined, CHOICES);
  const all = grouped(backups);
  const newest = newestRestorable(all);
  let failure: unknown;
  let left = all.find(({ id }) => id === newest?.backupId)?.copies ?? [];
  for (let copy = restorable(left); copy; copy = restorable(left)) {
    const { key, destination, path } = copy;
    try {
      return await readAt({ destination: destination.id, path });
    } catch (error) {
      failure ??= error;
      left = left.filter((one) => one.key !== key);
    }
  }
  if (failure) throw failure;
  return undefined;
}

export interface Choice extends Backup {
  copy: Stored;
}

/** The newest backups of a job that can be restored. */
export async function choicesOf(job: string): Promise<Choice[]> {
  const { backups } = await backupsAfter({ job }, undefined, CHOICES);
  return grouped(backups).flatMap((backup) => {
    const copy = restorable(backup.copies);
    return copy ? [{ ...backup, copy }] : [];
  });
}
