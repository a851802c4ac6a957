/** What the first page says of all that it knows. */
import type { Destination, Job, JobStanding, Overview, Profile } from '../../api/client';
import { counted } from '../../format';
import { nextRunOf } from '../jobs/state';
import { type Cause, causesOf, troubleOf } from './causes';

/** Fuller than this, or full within so many days, is worth a word. */
const FULL = 0.9;
const SOON = 30;
const DAY = 86_400_000;

/** The jobs' standings, the most urgent first. */
export const GROUPS = ['attention', 'running', 'warned', 'paused', 'good'] as const;
export type Group = (typeof GROUPS)[number];

export interface Standing {
  /** How many databases the enabled jobs back up, as far as that is known. */
  databases: number;
  /** How many of them lack a good backup, or a way to the next one. */
  troubled: number;
  /** How many are not backed up yet: their job's first backup is running. */
  pending: number;
  /** How many jobs' first backups are running. */
  firstRuns: number;
  causes: Cause[];
  groups: Map<string, Group>;
  paused: number;
  /** The oldest of the jobs' last good backups. */
  oldest?: { at: string; job: Job };
  next?: { at: string; job: Job };
}

export interface Known {
  overview: Overview;
  jobs: Job[];
  destinations: Destination[];
  profiles: Profile[];
  /** Destinations that somebody else runs. */
  foreign: Set<string>;
  restored?: boolean;
}

/** How full a destination was when it was last looked at; of any kind of storage. */
export function spaceOf(overview: Overview, { id, authorization }: Destination): Space | undefined {
  return authorization.space ?? overview.destinations.find(({ destinationId }) => destinationId === id)?.days.at(-1);
}

export interface Space {
  /** In bytes. */
  used: number;
  /** In bytes; absent if it is not known. */
  allowed?: number | null;
}

export const isNearlyFull = (space: Space | null | undefined): boolean =>
  Boolean(space?.allowed && space.used / space.allowed > FULL);

export function standing({ overview, ...known }: Known, now: Date): Standing {
  const { jobs, destinations } = known;
  const byJob = new Map(overview.jobs.map((job) => [job.jobId, job]));
  const troubled = jobs.flatMap((job) => {
    const trouble = troubleOf(job, byJob.get(job.id), overview.dates.length);
    return trouble ? [{ job, trouble }] : [];
  });
  const full = destinations.flatMap((destination) => {
    const space = spaceOf(overview, destination);
    const on = overview.destinations.find(({ destinationId }) => destinationId === destination.id)?.fullOn;
    const isSoon = on && new Date(on).getTime() - now.getTime() < SOON * DAY;
    return isNearlyFull(space) || isSoon ? [{ destination, on }] : [];
  });
  const causes = causesOf({ ...known, troubled, full });
  const inTrouble = new Set(troubled.map(({ job }) => job));
  const first = jobs.filter((job) => job.enabled && !inTrouble.has(job) && !byJob.get(job.id)?.lastGoodAt);
  const concerned = new Set(causes.filter(({ level }) => level === 'bad').flatMap(({ jobs }) => jobs));
  return {
    ...times(jobs, byJob, now),
    databases: sum(jobs.filter(({ enabled }) => enabled).map((job) => databasesIn(job, byJob.get(job.id)))),
    troubled: sum([...concerned].map((job) => lacking(job, byJob.get(job.id)))),
    pending: sum(first.map((job) => databasesIn(job, byJob.get(job.id)))),
    firstRuns: first.length,
    causes,
    groups: new Map(jobs.map((job) => [job.id, groupOf(job, byJob.get(job.id), concerned.has(job))])),
    paused: jobs.filter(({ enabled }) => !enabled).length,
  };
}

const sum = (numbers: number[]) => numbers.reduce((all, number) => all + number, 0);

/** At least one: what a job has never looked at is not known to be none. */
const databasesIn = (job: Job, stands: JobStanding | undefined) =>
  Math.max(1, stands?.databases ?? job.databases?.length ?? 1);

/** How many of a troubled job's databases are in trouble: all of them where the last run has missed none of them. */
function lacking(job: Job, stands: JobStanding | undefined): number {
  const known = databasesIn(job, stands);
  return known - (stands?.backedUp ?? 0) || known;
}

function times(jobs: Job[], byJob: Map<string, JobStanding>, now: Date): Pick<Standing, 'oldest' | 'next'> {
  let oldest: Standing['oldest'];
  let next: Standing['next'];
  for (const job of jobs.filter(({ enabled }) => enabled)) {
    const good = byJob.get(job.id)?.lastGoodAt;
    if (good && (!oldest || good < oldest.at)) oldest = { at: good, job };
    const at = nextRunOf(job, now);
    if (at && (!next || at < next.at)) next = { at, job };
  }
  return { oldest, next };
}

function groupOf(job: Job, stands: JobStanding | undefined, isConcerned: boolean): Group {
  const state = job.lastRun?.state;
  if (state === 'running' || state === 'queued') return 'running';
  if (!job.enabled) return 'paused';
  if (isConcerned) return 'attention';
  return stands?.state === 'succeededWithWarnings' && stands.warnings > 0 ? 'warned' : 'good';
}

/** The one sentence. */
export function headline({ databases, troubled, pending, firstRuns, causes, paused }: Standing): string {
  if (troubled > 0) {
    const which = databases > troubled ? `${troubled} of ${databases} databases` : counted(troubled, 'database');
    return `${which} ${troubled === 1 ? 'needs' : 'need'} attention.`;
  }
  const broken = causes.filter(({ level }) => level === 'bad').length;
  if (broken > 0) return `${counted(broken, 'destination')} ${broken === 1 ? 'needs' : 'need'} attention.`;
  if (databases === 0) return paused > 0 ? 'Every job is paused.' : 'Nothing is backed up yet.';
  const backedUp = databases - pending;
  const safe =
    backedUp === 0
      ? 'Nothing is backed up yet'
      : pending > 0
        ? `${counted(backedUp, 'database')} ${backedUp === 1 ? 'is' : 'are'} backed up`
        : databases === 1
          ? 'Your database is backed up'
          : `All ${databases} databases are backed up`;
  // Advice is not a risk.
  const risks = causes.filter(({ level }) => level === 'warn').length;
  const withRisks = risks > 0 && backedUp > 0 ? `${safe}, with ${counted(risks, 'risk')}` : safe;
  if (firstRuns === 0) return `${withRisks}.`;
  return `${withRisks}; ${counted(firstRuns, 'first backup')} ${firstRuns === 1 ? 'is' : 'are'} running.`;
}

/** Whether there is anything to be well: a green check needs a backup. */
export const isBackedUp = ({ databases, pending }: Standing): boolean => databases > pending;

/** How bad the worst of it is. */
export function worst({ causes }: Standing): 'good' | Cause['level'] {
  const levels = new Set(causes.map(({ level }) => level));
  return (['bad', 'warn', 'note'] as const).find((level) => levels.has(level)) ?? 'good';
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
    [day.unfinished, 'still running'],
  ];
  const words = parts.filter(([number]) => number > 0).map(([number, word]) => `${number} ${word}`);
  if (day.withWarnings > 0) words[0] += ` (${day.withWarnings} with warnings)`;
  return [...words, ...(day.missed ? ['missed'] : [])].join(', ');
}
