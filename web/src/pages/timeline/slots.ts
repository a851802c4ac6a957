/** What ran and what will run within some hours, and what overlaps: the part that needs no browser. */
import type { Job, Run } from '../../api/client';

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

/** One row per job that ran or will run, by when it begins first. `planned` has the times of each job's next runs, by its id. */
export function rowsOf(jobs: Job[], runs: Run[], window: Window, planned: Map<string, string[]>): Row[] {
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
    const next = (planned.get(job.id) ?? []).map((time): Bar => {
      const from = Date.parse(time);
      return { job, from, to: from + (length ?? UNKNOWN), guessed: length === undefined };
    });
    const bars = [...ran, ...next].filter(({ from, to }) => to >= window.from && from < window.to);
    return { job, bars: bars.sort((one, other) => one.from - other.from) };
  });
  const first = ({ bars }: Row) => bars[0]?.from ?? Number.POSITIVE_INFINITY;
  return rows.filter(({ bars }) => bars.length > 0).sort((one, other) => first(one) - first(other));
}

/** Two jobs of the same source whose planned runs are on at the same time, so that they slow each other down. */
export interface Overlap {
  jobs: [Bar['job'], Bar['job']];
  /** When the first of them begins, in milliseconds. */
  from: number;
  /** How often it happens. */
  times: number;
}

/** Returns each pair of jobs once, by when it first happens. */
export function overlapsOf(rows: Row[]): Overlap[] {
  const found = new Map<string, Overlap>();
  const bySource = new Map<string, Bar[]>();
  for (const bar of rows.flatMap(({ bars }) => bars.filter(({ run }) => !run))) {
    const bars = bySource.get(bar.job.sourceId) ?? [];
    bars.push(bar);
    bySource.set(bar.job.sourceId, bars);
  }
  for (const bars of bySource.values()) {
    let active: Bar[] = [];
    for (const bar of bars.sort((one, other) => one.from - other.from)) {
      active = active.filter(({ to, job }) => to > bar.from && job.id !== bar.job.id);
      for (const { job } of active) {
        const key = [job.id, bar.job.id].sort().join(' ');
        const known = found.get(key);
        if (known) known.times += 1;
        else found.set(key, { jobs: [job, bar.job], from: bar.from, times: 1 });
      }
      active.push(bar);
    }
  }
  return [...found.values()].sort((one, other) => one.from - other.from);
}

/** The most runs that are planned at one moment, and when. */
export function busiest(rows: Row[]): { count: number; at: number } | undefined {
  const edges = rows
    .flatMap(({ bars }) => {
      const planned = bars.filter(({ run }) => !run);
      // A job runs once at a time: what its own next run meets is skipped.
      return planned.map(({ from, to }, index) => ({ from, to: Math.min(to, planned[index + 1]?.from ?? to) }));
    })
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
