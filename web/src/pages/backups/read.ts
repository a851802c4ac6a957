/** What the page about a backup shows. */
import { api, ask, type Run } from '../../api/client';
import type { components } from '../../api/schema';
import { allDestinations, allProfiles, allSources } from '../../parts/lists';
import { requestOf } from '../runs/words';
import { backupAt, type Stored } from './stored';

export type Verification = components['schemas']['LastVerification'] & { copy: Stored };

/** The newest restores among which those of one backup or database are looked for. */
const RESTORES = 200;

/** The newest restores: of all backups, or of those of one job. */
export const newestRestores = async (restoredJob?: string): Promise<Run[]> =>
  (await ask(api.GET('/api/runs', { params: { query: { kind: 'restore', restoredJob, limit: RESTORES } } }))).items;

async function verificationsOf(copy: Stored): Promise<Verification[]> {
  const params = { path: { id: copy.destination.id }, query: { path: copy.path } };
  const { items } = await ask(api.GET('/api/destinations/{id}/backups/verifications', { params }));
  return items.map((one) => ({ ...one, copy }));
}

/** `undefined` if the server does not know such a copy. */
export async function readBackup(destination: string, path: string) {
  const copies = await backupAt(destination, path);
  const copy = copies?.find((one) => one.destination.id === destination && one.path === path);
  if (!copies || !copy) return null;
  const [verifications, restores, destinations, profiles, sources] = await Promise.all([
    Promise.all(copies.map((one) => verificationsOf(one))),
    newestRestores(copy.job),
    allDestinations(),
    allProfiles(),
    allSources(),
  ]);
  const paths = new Set(copies.map((one) => one.path));
  return {
    copy,
    copies,
    verifications: verifications.flat().sort((one, other) => (one.at < other.at ? 1 : -1)),
    restores: restores.filter((run) => paths.has(requestOf(run).path ?? '')),
    destinations,
    profiles,
    source: sources.find(({ address }) => address === copy.source),
  };
}

export type BackupPage = NonNullable<Awaited<ReturnType<typeof readBackup>>>;
