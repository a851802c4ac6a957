/** What ran and what will run within some hours, and what overlaps: the part that needs no browser. */
import type { Job, Run } from '../../api/client';
import { scheduleOf } from '../../schedule';

/** Expected of a job that has never run to its end, in milliseconds. */
const UNKNOWN = 5 * 60_000;

export interface Bar {
  job: Pick<Job, 'id' | 'name' | 'sourceId' | 'destinationIds'>;
  /** In milliseconds since the epoch. */
  from: number;
  to: number;
  /** What ran, or absent for what is planned. */
  run?: Run;
  /** Whether its length is only guessed. */
  guessed?: boolean;
}

export interface Row {
  job: Bar['job'];
  bars: Bar[];
}

export interface Window {
  from: number;
  now: number;
  to: number;
}

/** How long a job's last run took, in milliseconds. */
export function lengthOf({ lastRun }: Pick<Job, 'lastRun'>): number | undefined {
  if (!lastRun?.startedAt || !lastRun.finishedAt) return undefined;
  return Date.parse(lastRun.finishedAt) - Date.parse(lastRun.startedAt);
}

/** What identifies a schedule whose next times only the server knows; absent where the next run says it all. */
export function askFor(job: Job): { cron: string; timeZone: string } | undefined {
  if (!job.enabled || !job.schedule || job.scheduleError) return undefined;
  const schedule = scheduleOf(job.schedule.cron);
  const isOnceADay = schedule.kind === 'month' || (schedule.kind === 'days' && schedule.hours.length === 1);
  return isOnceADay || schedule.kind === 'interval' ? undefined : job.schedule;
}

/** When a job starts within a window, in milliseconds; `known` has the times of schedules that were asked for. */
export function startsOf(job: Job, { now, to }: Window, known: Map<string, string[]>): number[] {
  if (!job.enabled || !job.schedule || !job.nextRunAt) return [];
  const next = Date.parse(job.nextRunAt);
  const schedule = scheduleOf(job.schedule.cron);
  const times = [next];
  if (schedule.kind === 'interval') {
    for (let at = next + schedule.minutes * 60_000; at < to; at += schedule.minutes * 60_000) times.push(at);
  }
  for (const time of known.get(scheduleKey(job.schedule)) ?? []) times.push(Date.parse(time));
  return [...new Set(times)].filter((time) => time >= now && time < to).sort((one, other) => one - other);
}

export const scheduleKey = ({ cron, timeZone }: { cron: string; timeZone: string }): string => `${cron} ${timeZone}`;

/** One row per job that ran or will run, by when it begins first. */
export function rowsOf(jobs: Job[], runs: Run[], window: Window, known: Map<string, string[]>): Row[] {
  const byJob = new Map<string, Run[]>();
  for (const run of runs) {
    if (!run.jobId || !run.startedAt) continue;
    byJob.set(run.jobId, [...(byJob.get(run.jobId) ?? []), run]);
  }
  const rows = jobs.map((job): Row => {
    const ran = (byJob.get(job.id) ?? []).map((run): Bar => {
      const from = Date.parse(run.startedAt ?? '');
      const end = run.finishedAt ? Date.parse(run.finishedAt) : Math.max(window.now, from + (lengthOf(job) ?? 0));
      return { job, from, to: end, run };
    });
    const length = lengthOf(job);
    const planned = startsOf(job, window, known).map((from): Bar => ({
      job,
      from,
      to: from + (length ?? UNKNOWN),
      guessed: length === undefined,
    }));
    const bars = [...ran, ...planned].filter(({ from, to }) => to >= window.from && from < window.to);
    return { job, bars: bars.sort((one, other) => one.from - other.from) };
  });
  const first = ({ bars }: Row) => bars[0]?.from ?? Number.POSITIVE_INFINITY;
  return rows.filter(({ bars }) => bars.length > 0).sort((one, other) => first(one) - first(other));
}

export interface Overlap {
  bar: Bar;
  /** Planned at the same time, and of the same source: they slow each other down. */
  sameSource: Bar[];
  others: Bar[];
}

/** What is planned at the same time as something else; a job does not overlap with itself. */
export function overlapsOf(rows: Row[]): Overlap[] {
  const planned = rows
    .flatMap(({ bars }) => bars.filter(({ run }) => !run))
    .sort((one, other) => one.from - other.from);
  const found = new Map<Bar, Bar[]>();
  let active: Bar[] = [];
  for (const bar of planned) {
    active = active.filter(({ to }) => to > bar.from);
    for (const other of active) {
      if (other.job.id === bar.job.id) continue;
      found.set(bar, [...(found.get(bar) ?? []), other]);
      found.set(other, [...(found.get(other) ?? []), bar]);
    }
    active.push(bar);
  }
  return planned.flatMap((bar) => {
    const with_ = found.get(bar);
    if (!with_) return [];
    const isSame = ({ job }: Bar) => job.sourceId === bar.job.sourceId;
    return [{ bar, sameSource: with_.filter(isSame), others: with_.filter((one) => !isSame(one)) }];
  });
}

/** The most runs that are planned at one moment, and when. */
export function busiest(rows: Row[]): { count: number; at: number } | undefined {
  const edges = rows
    .flatMap(({ bars }) => bars.filter(({ run }) => !run))
    .flatMap(({ from, to }) => [
      { at: from, by: 1 },
      { at: to, by: -1 },
    ])
    // What ends when something else begins does not overlap with it.
    .sort((one, other) => one.at - other.at || one.by - other.by);
  let count = 0;
  let most: { count: number; at: number } | undefined;
  for (const { at, by } of edges) {
    count += by;
    if (count > (most?.count ?? 0)) most = { count, at };
  }
  return most;
}
