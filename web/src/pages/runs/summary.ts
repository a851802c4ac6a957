/** A run's outcome in a sentence, and how it compares with the one before. */
import type { Run } from '../../api/client';
import { counted, percent } from '../../format';
import { databasesOf, isStored, isSuccess, requestOf, restoredOf } from './words';

/** What came of a run; nothing while it goes on. */
export function outcome(run: Run): string | undefined {
  if (run.state === 'queued' || run.state === 'running') return undefined;
  // What is true of the target comes before how the run ended.
  if (run.kind === 'restore' && !isSuccess(run.state)) {
    if (restoredOf(run).kept) return 'Restored, but not put in place.';
    if (run.code === 'outcomeUnknown') return 'It is not known whether the target was changed.';
  }
  if (run.state === 'cancelled') return 'This run was cancelled.';
  if (run.state === 'interrupted') return 'The server stopped during this run.';
  if (run.kind === 'copy') return copyOutcome(run);
  if (run.kind === 'restore') return restoreOutcome(run);
  const databases = databasesOf(run);
  const copies = databases.flatMap(({ copies }) => copies);
  const made = copies.filter(({ error }) => !error);
  const places = new Set(copies.map(({ destination }) => destination)).size;
  if (isSuccess(run.state)) {
    return `${counted(databases.length, 'database')} backed up to ${counted(places, 'destination')}.`;
  }
  if (made.length === 0) {
    const isUnknown = copies.some(({ code }) => code === 'outcomeUnknown');
    return isUnknown ? 'It is not known whether a backup was stored.' : 'No complete backup was made.';
  }
  const complete = `${made.length} of ${counted(copies.length, 'copy', 'copies')} complete`;
  // A database without a dump has no copies to count.
  if (databases.every((database) => database.copies.length > 0)) return `Backed up in part: ${complete}.`;
  const backedUp = databases.filter((database) => database.copies.some(({ error }) => !error));
  const part = `${backedUp.length} of ${counted(databases.length, 'database')}`;
  return `Backed up in part: ${part}${backedUp.every(isStored) ? '' : `, ${complete}`}.`;
}

function copyOutcome({ state, code }: Run): string {
  if (isSuccess(state)) return 'The copy is complete and verified.';
  if (code === 'outcomeUnknown') return 'It is not known whether the backup was copied.';
  return code === 'sidecarFailed' ? 'The backup was copied, but not its metadata file.' : 'Nothing was copied.';
}

function restoreOutcome(run: Run): string {
  const { failedObjectCount, target } = restoredOf(run);
  if (isSuccess(run.state)) return target ? `Restored into ${target}.` : 'The database is restored.';
  if (run.state === 'partial') return `Restored, without ${counted(failedObjectCount, 'object')}.`;
  return 'Nothing was restored.';
}

/** The places whose copies are missing, by id. */
export function failedAt(run: Run): string[] {
  const copies = databasesOf(run).flatMap(({ copies }) => copies);
  const ids = [
    ...copies.filter(({ error }) => error).map(({ destinationId }) => destinationId),
    ...run.destinations.filter(({ state }) => state === 'failed').map(({ id }) => id),
  ];
  return [...new Set(ids.filter((id) => id !== undefined))];
}

/** Whether a copy is missing at a destination since it has no room, as the storage says. */
export function ranOutOfSpace(run: Run, destinationId: string): boolean {
  const copies = databasesOf(run).flatMap(({ copies }) => copies);
  return copies.some(
    (copy) =>
      copy.destinationId === destinationId && /\bis full\b|no space left|not enough space/i.test(copy.error ?? ''),
  );
}

/** Where a restore is prepared of what a backup has made, or of what a restore was about. */
export function restoreAddress(run: Run): string | undefined {
  const request = requestOf(run);
  const made = databasesOf(run).flatMap(({ copies }) => copies.filter(({ path, error }) => path && !error));
  const from = run.kind === 'backup' ? made[0] : request;
  if (!from?.destinationId || !from.path) return undefined;
  // Which of several databases is meant, the list is there to tell.
  if (databasesOf(run).length > 1) return undefined;
  const query = new URLSearchParams({ destination: from.destinationId, path: from.path });
  if (run.kind === 'restore') {
    if (request.sourceId) query.set('source', request.sourceId);
    if (request.database) query.set('database', request.database);
  }
  return `/backups/restore?${query.toString()}`;
}

export interface Change {
  words: string;
  /** Worth a look: a backup that shrinks is often one that lacks something. */
  unusual: boolean;
}

/** So much more or less than before, as a share, goes without saying. */
const ALIKE = 0.02;
const UNUSUAL = 0.3;

/** How a value stands to the one before. Durations below a second say nothing. */
export function change(value: number, before: number, [more, less]: [string, string]): Change | undefined {
  if (before <= 0) return undefined;
  const share = value / before - 1;
  if (Math.abs(share) < ALIKE) return { words: 'same as before', unusual: false };
  const size = Math.abs(share) < 1 ? percent(Math.abs(share)) : `${(value / before).toFixed(1)} times`;
  if (share >= 1) return { words: `${size} the run before`, unusual: true };
  return { words: `${size} ${share > 0 ? more : less} than before`, unusual: Math.abs(share) > UNUSUAL };
}
