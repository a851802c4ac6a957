/** What the first page says of all that it knows. */
import type { Destination, Job, JobStanding, Overview } from '../../api/client';
import { counted } from '../../format';
import { isSuccess } from '../runs/words';
import { needsAuthorization } from '../destinations/authorization';

/** Fuller than this, or full within so many days, is worth a word. */
const FULL = 0.9;
const SOON = 30;
const DAY = 86_400_000;

/** A job in trouble. */
export interface TroubledJob {
  kind: 'failed' | 'schedule' | 'missed' | 'never';
  job: Job;
  databases: number;
}

/** A job that is backed up, with warnings that nobody has acknowledged. */
export interface WarnedJob {
  job: Job;
  warnings: number;
  /** The run that gave them. */
  runId: string;
}

/** Something to be done, and what cures it. */
export type Trouble =
  | { kind: 'authorize'; destination: Destination }
  | TroubledJob
  | { kind: 'full'; destination: Destination; on?: string | null };

export interface Standing {
  /** How many databases the jobs back up, as far as that is known. */
  databases: number;
  troubles: Trouble[];
  warned: WarnedJob[];
  /** The oldest of the jobs' last good backups. */
  oldest?: { at: string; job: Job };
  next?: { at: string; job: Job };
}

export function standing(overview: Overview, jobs: Job[], destinations: Destination[], now: Date): Standing {
  const byJob = new Map(overview.jobs.map((job) => [job.jobId, job]));
  const troubles: Trouble[] = destinations
    .filter(needsAuthorization)
    .map((destination) => ({ kind: 'authorize', destination }));
  const warned: WarnedJob[] = [];
  let databases = 0;
  let oldest: Standing['oldest'];
  let next: Standing['next'];
  for (const job of jobs) {
    const stands = byJob.get(job.id);
    const known = stands?.databases ?? job.databases?.length ?? 0;
    databases += known;
    const trouble = troubleOf(stands, overview.dates.length);
    if (trouble) troubles.push({ kind: trouble, job, databases: Math.max(1, known - (stands?.backedUp ?? 0)) });
    if (stands?.state === 'succeededWithWarnings' && stands.warnings > 0 && stands.lastGoodRunId) {
      warned.push({ job, warnings: stands.warnings, runId: stands.lastGoodRunId });
    }
    const good = stands?.lastGoodAt;
    if (good && (!oldest || good < oldest.at)) oldest = { at: good, job };
    if (job.enabled && job.nextRunAt && (!next || job.nextRunAt < next.at)) next = { at: job.nextRunAt, job };
  }
  const spaces = new Map(overview.destinations.map((space) => [space.destinationId, space]));
  for (const destination of destinations) {
    const space = destination.authorization.space;
    const on = spaces.get(destination.id)?.fullOn;
    const isFull = space?.allowed && space.used / space.allowed > FULL;
    const isSoon = on && new Date(on).getTime() - now.getTime() < SOON * DAY;
    if (isFull || isSoon) troubles.push({ kind: 'full', destination, on });
  }
  const rank = { authorize: 0, failed: 1, schedule: 2, missed: 3, full: 4, never: 5 };
  troubles.sort((one, other) => rank[one.kind] - rank[other.kind]);
  return { databases, troubles, warned, oldest, next };
}

function troubleOf(stands: JobStanding | undefined, days: number): TroubledJob['kind'] | undefined {
  if (stands?.scheduleError) return 'schedule';
  if (!stands?.state) return stands?.days.some(({ unfinished }) => unfinished > 0) ? undefined : 'never';
  if (!isSuccess(stands.state)) return 'failed';
  const last = stands.days.at(-1);
  return last?.missed && last.day >= days - 2 ? 'missed' : undefined;
}

/** The one sentence. */
export function headline({ databases, troubles }: Standing): string {
  const troubled = troubles.reduce((sum, trouble) => sum + ('databases' in trouble ? trouble.databases : 0), 0);
  if (troubled > 0) return `${counted(troubled, 'database')} ${troubled === 1 ? 'needs' : 'need'} attention.`;
  if (troubles.length > 0) {
    return `${counted(troubles.length, 'destination')} ${troubles.length === 1 ? 'needs' : 'need'} attention.`;
  }
  return databases === 1 ? 'The one database is backed up.' : `All ${databases} databases are backed up.`;
}

/** What a day of a job was, as one mark; the worst of it. */
export function markOf(day: JobStanding['days'][number]) {
  if (day.failed > 0) return 'failed';
  if (day.partial > 0) return 'partial';
  if (day.missed) return 'missed';
  if (day.unfinished > 0) return 'running';
  if (day.withWarnings > 0) return 'warned';
  return day.succeeded > 0 ? 'succeeded' : 'cancelled';
}

/** "2 succeeded, 1 failed". */
export function dayInWords(day: JobStanding['days'][number]): string {
  const parts: [number, string][] = [
    [day.succeeded, 'succeeded'],
    [day.partial, 'partial'],
    [day.failed, 'failed'],
    [day.cancelled, 'cancelled'],
    [day.unfinished, 'not ended yet'],
  ];
  const words = parts.filter(([number]) => number > 0).map(([number, word]) => `${number} ${word}`);
  if (day.withWarnings > 0) words[0] += ` (${day.withWarnings} with warnings)`;
  return [...words, ...(day.missed ? ['missed: it should have run'] : [])].join(', ');
}
