/** How a job's good runs went over time, and which of them are unusual. */
import type { Run } from '../../api/client';
import { databasesOf, isOver, isSuccess } from '../runs/words';

export interface Point {
  run: Run;
  /** When it started, in milliseconds. */
  at: number;
  /** Stored bytes, per destination. */
  size: number;
  /** In milliseconds. */
  duration: number;
  /** Bytes read per second; absent where the run was too short to say. */
  rate: number | undefined;
}
export type Measure = 'size' | 'duration' | 'rate';

/** A value against the runs before it. */
export interface Judgement {
  /** The median of the runs before. */
  usual: number;
  /** How far off, as a share of the usual: -0.4 is 40 % below. */
  off: number;
}

/** A run is compared with up to this many good runs before it. */
export const COMPARED = 20;
/** Fewer runs before say nothing. */
export const FEWEST = 5;
/** Smaller deviations from the median are normal, as a share of it. */
export const NORMAL = 0.25;
/** Deviations below this many (robust) standard deviations are normal. */
const SIGMAS = 3;
/** Turns a median absolute deviation into the standard deviation of normally distributed values. */
const MAD_TO_SIGMA = 1.4826;
/** Smaller deviations do not matter: 64 KiB, 5 seconds. */
const FLOORS: Record<Measure, number> = { size: 65_536, duration: 5000, rate: 0 };
/** Shorter runs have no rate worth telling, in milliseconds. */
const SHORT = 1000;

/** The good ones, the oldest first. */
export function pointsOf(runs: Run[]): Point[] {
  return runs
    .flatMap((run) => {
      if (!isSuccess(run.state) || !run.startedAt || !run.finishedAt) return [];
      const at = Date.parse(run.startedAt);
      const duration = Date.parse(run.finishedAt) - at;
      const rate = duration < SHORT ? undefined : (run.dumpedBytes / duration) * 1000;
      return [{ run, at, duration, size: run.storedBytes, rate }];
    })
    .sort((one, other) => one.at - other.at);
}

function median(values: number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}

/** The last point against the good runs before it, in words. */
export function comparison(points: Point[], measure: Measure): { words: string; unusual: boolean } {
  const judgement = unusual(points, measure).at(-1);
  if (judgement) return { words: inWords(judgement), unusual: true };
  const before = points.slice(0, -1).filter((point) => point[measure] !== undefined);
  return { words: before.length < FEWEST ? 'too few runs to compare' : 'as usual', unusual: false };
}

/**
 * How many of a job's destinations have a copy of the last backup; the database with the fewest copies counts. Copies at
 * destinations that the job no longer has do not count. Unknown without a backup.
 */
export function copiesOf(runs: Run[], destinationIds: string[]): number | undefined {
  const ended = runs.find((run) => isOver(run) && run.state !== 'cancelled');
  const counts = databasesOf(ended).map(({ copies }) => {
    const made = copies.filter(({ path, error }) => path && !error);
    // Runs of earlier versions name destinations without their ids.
    const here = made.filter(({ destinationId }) => !destinationId || destinationIds.includes(destinationId));
    return Math.min(here.length, destinationIds.length);
  });
  return counts.length > 0 ? Math.min(...counts) : undefined;
}

/** Compares each point with the good runs before it; absent where it is not unusual. */
export function unusual(points: Point[], measure: Measure): (Judgement | undefined)[] {
  const values = points.map((point) => point[measure]);
  return values.map((value, index) => {
    const before = values
      .slice(0, index)
      .filter((one) => one !== undefined)
      .slice(-COMPARED);
    if (value === undefined || before.length < FEWEST) return undefined;
    const usual = median(before);
    const spread = median(before.map((one) => Math.abs(one - usual))) * MAD_TO_SIGMA;
    const limit = Math.max(SIGMAS * spread, NORMAL * usual, FLOORS[measure]);
    return Math.abs(value - usual) > limit ? { usual, off: usual ? value / usual - 1 : 1 } : undefined;
  });
}

/** "40% below usual". */
export function inWords({ off }: Judgement): string {
  const share = Math.abs(off);
  const amount = off > 1 ? `${Math.round((off + 1) * 10) / 10} times the usual` : undefined;
  return amount ?? `${Math.round(share * 100)}% ${off < 0 ? 'below' : 'above'} usual`;
}
