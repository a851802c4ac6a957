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

/** What the backups in one folder take. */
export interface FolderUsage {
  /** The folder, which is a job's name. */
  job: string;
  /** Absent if there is no job of this name. */
  jobId?: string | null;
  backups: number;
  bytes: number;
}

export interface Usage {
  /** All that there is. */
  backups: number;
  bytes: number;
  /** The folders, those that take the most first. */
  jobs: FolderUsage[];
  /** Those of them that belong to no job. */
  orphans: FolderUsage[];
}

/** What takes the space. */
export async function readUsage(id: string, jobs: Job[]): Promise<Usage> {
  const [known, all] = await Promise.all([names(), summaryOf({ destination: id })]);
  const byName = new Map(jobs.map((job) => [job.name, job]));
  // Those are asked for first that are most likely to have something here.
  const rank = (name: string) => (byName.get(name)?.destinationIds.includes(id) ? 0 : byName.has(name) ? 2 : 1);
  const likely = known.jobs.toSorted((one, other) => rank(one) - rank(other)).slice(0, MAX_JOBS);
  const folders = await Promise.all(
    likely.map(async (job): Promise<FolderUsage> => {
      const { copies, size } = await summaryOf({ destination: id, job });
      return { job, jobId: byName.get(job)?.id, backups: copies, bytes: size };
    }),
  );
  const found = folders.filter(({ backups }) => backups > 0).sort((one, other) => other.bytes - one.bytes);
  return { backups: all.copies, bytes: all.size, jobs: found, orphans: found.filter(({ jobId }) => !jobId) };
}
