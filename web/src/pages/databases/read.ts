/** What the page about a database shows. */
import { api, ask, type Job, type Run } from '../../api/client';
import { allAdapters, settingText } from '../../parts/adapters';
import { allDestinations, allJobs } from '../../parts/lists';
import { newestRestores } from '../backups/read';
import { backupsAfter, type Backup, grouped, type Query, type Stored, summaryOf } from '../backups/stored';
import { requestOf } from '../runs/words';
import { backsUp, copiesOf, type DatabaseState, stateOf } from '../sources/read';

/** The newest copies of a database, as far as the server finds them by its name. As many are read of each job. */
const COPIES = 200;
/** Where there are more, the copies of so many jobs are counted. */
const MAX_JOBS = 20;

/** A destination, as far as this database is concerned. */
export interface Place {
  id: string;
  name: string;
  /** The newest copy that is there. */
  newest: Stored | undefined;
  copies: number;
  size: number;
  /** The list of these copies. */
  href: string;
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
export function placesOf(
  used: Set<string>,
  destinations: { id: string; name: string }[],
  copies: Stored[],
  query: Query = {},
): Place[] {
  const places = destinations.map(({ id, name }): Place => {
    const there = copies.filter(({ destination, state }) => destination.id === id && state !== 'missing');
    const size = there.reduce((sum, { size }) => sum + size, 0);
    const href = `/backups?${new URLSearchParams({ destination: id, ...(query as Record<string, string>) }).toString()}`;
    return { id, name, newest: there[0], copies: there.length, size, href, isUsed: used.has(id) };
  });
  return places
    .filter(({ isUsed, copies }) => isUsed || copies > 0)
    .sort((one, other) => Number(other.isUsed) - Number(one.isUsed) || one.name.localeCompare(other.name));
}

/** What the list of backups is narrowed to for a database; a source that is a file has backups without one. */
function queryOf(jobs: Job[], name: string | undefined): Query {
  const [job, ...others] = jobs;
  return { ...(name !== undefined && { database: name }), ...(job && others.length === 0 && { job: job.name }) };
}

/** A place with the numbers that the server counts: of its newest copies alone, they would be too small. */
async function countedAt(place: Place, jobs: Job[], database: string | undefined): Promise<Place> {
  const counts = jobs.slice(0, MAX_JOBS).map(async ({ name: job }) => {
    const query = { destination: place.id, job, database };
    const [all, missing] = await Promise.all([summaryOf(query), summaryOf({ ...query, status: 'missing' })]);
    return { copies: all.copies - missing.copies, size: all.size - missing.size };
  });
  const found = await Promise.all(counts);
  const copies = found.reduce((sum, one) => sum + one.copies, 0);
  const size = found.reduce((sum, one) => sum + one.size, 0);
  // Those of jobs that were removed are only among the newest.
  return copies > place.copies ? { ...place, copies, size } : place;
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
  const used = new Set(jobs.flatMap(({ destinationIds }) => destinationIds));
  const places = placesOf(used, destinations, copies, queryOf(jobs, name));
  const isCut = copies.length >= COPIES;
  const state: DatabaseState = stateOf(jobs, name, backups.length > 0, true);
  return {
    source,
    adapter,
    jobs,
    backups,
    state,
    places: isCut ? await Promise.all(places.map((place) => countedAt(place, jobs, name))) : places,
    restores: restores.filter((run) => concerns(run, sourceId, names, new Set(copies.map(({ path }) => path)))),
  };
}

export type DatabasePage = Awaited<ReturnType<typeof readDatabase>>;
