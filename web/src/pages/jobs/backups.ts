import { api, ask, type StoredBackup } from '../../api/client';

/** A backup with its copies. */
export interface Backup {
  id: string;
  copies: StoredBackup[];
}

/** The most copies that one look at a job reads. */
const COPIES = 60;

/** The newest backups of a job, the newest first. */
export async function newestBackups(job: string): Promise<Backup[]> {
  const { items } = await ask(api.GET('/api/backups', { params: { query: { job, limit: COPIES } } }));
  const byId = new Map<string, StoredBackup[]>();
  for (const copy of items) byId.set(copy.backupId, [...(byId.get(copy.backupId) ?? []), copy]);
  return [...byId].map(([id, copies]) => ({ id, copies }));
}

/** Where a backup is restored from: a copy that is there. */
export function restoreOf({ copies }: Backup): string | undefined {
  const copy = copies.find(({ state }) => state === 'present') ?? copies.find(({ state }) => state === 'unconfirmed');
  if (!copy) return undefined;
  return `/backups/restore?${new URLSearchParams({ destination: copy.destinationId, path: copy.path }).toString()}`;
}
