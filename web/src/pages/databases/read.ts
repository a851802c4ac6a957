/** What the page about a database shows. */
import { api, ask, type Run } from '../../api/client';
import { allAdapters, settingText } from '../../parts/adapters';
import { allDestinations, allJobs } from '../../parts/lists';
import { newestRestores } from '../backups/read';
import { backupsAfter, type Backup, grouped, type Stored } from '../backups/stored';
import { requestOf } from '../runs/words';
import { backsUp, copiesOf, type DatabaseState, stateOf } from '../sources/read';

/** The newest copies of a database, as far as the server finds them by its name. */
const COPIES = 200;

/** A destination, as far as this database is concerned. */
export interface Place {
  id: string;
  name: string;
  /** The newest copy that is there. */
  newest: Stored | undefined;
  copies: number;
  size: number;
  /** A job stores it here. */
  isUsed: boolean;
}

async function allCopies(jobs: Parameters<typeof copiesOf>[0], address: string, name: string | undefined) {
  const [ofJobs, ofName] = await Promise.all([
    copiesOf(jobs, address, name),
    // Of jobs that were removed, too.
    name === undefined ? undefined : backupsAfter({ database: name }, undefined, COPIES),
  ]);
  const ours = [...ofJobs, ...(ofName?.backups ?? []).filter(({ source }) => source === address)];
  const byKey = new Map(ours.map((copy) => [copy.key, copy]));
  return [...byKey.values()].sort((one, other) => (one.time < other.time ? 1 : -1));
}

/** The destinations of its jobs, and any other that has a copy; those that are used come first. */
export function placesOf(used: Set<string>, destinations: { id: string; name: string }[], copies: Stored[]): Place[] {
  const places = destinations.map(({ id, name }): Place => {
    const there = copies.filter(({ destination, state }) => destination.id === id && state !== 'missing');
    const size = there.reduce((sum, { size }) => sum + size, 0);
    return { id, name, newest: there[0], copies: there.length, size, isUsed: used.has(id) };
  });
  return places
    .filter(({ isUsed, copies }) => isUsed || copies > 0)
    .sort((one, other) => Number(other.isUsed) - Number(one.isUsed) || one.name.localeCompare(other.name));
}

/** Whether a restore went into this database, or came from one of its backups. */
function concerns(run: Run, sourceId: string, names: (string | undefined)[], paths: Set<string>): boolean {
  const { sourceId: into, database, path } = requestOf(run);
  return paths.has(path ?? '') || (into === sourceId && names.includes(database ?? undefined));
}

export async function readDatabase(sourceId: string, name: string | undefined) {
  const [source, ofSource, destinations, adapters, restores] = await Promise.all([
    ask(api.GET('/api/sources/{id}', { params: { path: { id: sourceId } } })),
    allJobs({ sourceId }),
    allDestinations(),
    allAdapters(),
    newestRestores(),
  ]);
  const adapter = adapters.sources.find(({ id }) => id === source.settings.type);
  const own = settingText(source.settings, adapter?.databaseField);
  const jobs = ofSource.filter((job) => backsUp(job, name));
  const copies = await allCopies(ofSource, source.address, name);
  const backups: Backup[] = grouped(copies);
  const names = [name, ...(name === undefined || name === own ? [undefined, own] : [])];
  const state: DatabaseState = stateOf(jobs, name, backups.length > 0, true);
  return {
    source,
    adapter,
    jobs,
    backups,
    state,
    places: placesOf(new Set(jobs.flatMap(({ destinationIds }) => destinationIds)), destinations, copies),
    restores: restores.filter((run) => concerns(run, sourceId, names, new Set(copies.map(({ path }) => path)))),
  };
}

export type DatabasePage = Awaited<ReturnType<typeof readDatabase>>;
