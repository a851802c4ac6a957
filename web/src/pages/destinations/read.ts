/** What the page about a destination shows. One function for each part that comes on its own. */
import { api, ask, type Job } from '../../api/client';
import { allAdapters } from '../../parts/adapters';
import { allJobs } from '../../parts/lists';
import { backupsAfter, names, summaryOf } from '../backups/stored';

/** The newest copies that the page lists. */
const NEWEST = 8;
/** What takes the space is asked for job by job: no more of them than this. */
const MAX_JOBS = 40;
const SPACE_DAYS = 90;
const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone;

export async function readDestination(id: string) {
  const [destination, jobs, adapters, newest] = await Promise.all([
    ask(api.GET('/api/destinations/{id}', { params: { path: { id } } })),
    allJobs(),
    allAdapters(),
    backupsAfter({ destination: id }, undefined, NEWEST),
  ]);
  return {
    destination,
    adapter: adapters.destinations.find((one) => one.id === destination.settings.type),
    jobs,
    newest: newest.backups,
  };
}

/** How full it was, day by day, and when it will be full. */
export async function readSpace(id: string) {
  const overview = await ask(api.GET('/api/overview', { params: { query: { days: SPACE_DAYS, timeZone } } }));
  return overview.destinations.find(({ destinationId }) => destinationId === id) ?? null;
}

/** What the backups of one job's name take. */
export interface Usage {
  name: string;
  /** Absent: no job has this name any more. */
  job: Job | undefined;
  copies: number;
  size: number;
}

/** What takes the space, the most first. Folders that belong to no job are orphans. */
export async function readUsage(id: string, jobs: Job[]) {
  const [known, all] = await Promise.all([names(), summaryOf({ destination: id })]);
  const byName = new Map(jobs.map((job) => [job.name, job]));
  const isHere = (name: string) => byName.get(name)?.destinationIds.includes(id);
  // Where it is not known, those are asked for first that are most likely to have something here.
  const likely = known.jobs.toSorted((one, other) => rank(one) - rank(other));
  function rank(name: string) {
    return isHere(name) ? 0 : byName.has(name) ? 2 : 1;
  }
  const usage = await Promise.all(
    likely.slice(0, MAX_JOBS).map(async (name): Promise<Usage> => {
      const { copies, size } = await summaryOf({ destination: id, job: name });
      return { name, job: byName.get(name), copies, size };
    }),
  );
  const found = usage.filter(({ copies }) => copies > 0).sort((one, other) => other.size - one.size);
  const counted = found.reduce((sum, { size }) => sum + size, 0);
  return { all, found, rest: all.size - counted };
}
