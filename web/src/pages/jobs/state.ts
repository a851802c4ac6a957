/** How a job stands, as one state: what its list is filtered and sorted by. */
import type { Job, JobStatus, Run } from '../../api/client';
import type { Mark } from '../../parts/State.svelte';
import { isOver, isSuccess } from '../runs/words';

export type JobState = JobStatus;

/** A job with what its list shows. */
export interface JobRow extends Job {
  /** "Shop → NAS, Offsite". */
  way: string;
}

export const stateOf = ({ standing }: Job): JobState => standing.status;

/** A job as it stands after its last run was heard of. The server counts warnings and databases; it is asked again soon. */
export function withHeard(job: Job, run: Run | undefined): Job {
  const lastRun = later(job.lastRun, run);
  if (!lastRun || lastRun === job.lastRun) return job;
  const isGood = isSuccess(lastRun.state);
  const state = isOver(lastRun) && lastRun.state !== 'cancelled' ? lastRun.state : job.standing.state;
  const lastGoodAt = (isGood ? lastRun.finishedAt : job.standing.lastGoodAt) ?? undefined;
  return { ...job, lastRun, standing: { ...job.standing, state, lastGoodAt, status: statusOf(job, lastRun, state) } };
}

function statusOf({ enabled, scheduleError }: Job, lastRun: Run, state: Run['state'] | null | undefined): JobState {
  if (!isOver(lastRun)) return 'running';
  if (!enabled) return 'paused';
  if (scheduleError) return 'failed';
  if (!state) return 'new';
  if (!isSuccess(state)) return 'failed';
  return state === 'succeededWithWarnings' ? 'warnings' : 'good';
}

export const STATES: Record<JobState, { label: string; mark: Mark }> = {
  failed: { label: 'Failed', mark: 'failed' },
  warnings: { label: 'With warnings', mark: 'succeededWithWarnings' },
  running: { label: 'Running', mark: 'running' },
  new: { label: 'Not run yet', mark: 'unknown' },
  paused: { label: 'Paused', mark: 'paused' },
  good: { label: 'Good', mark: 'good' },
};

/** How the status column shows it: a failure by its own word. */
export function markOf(job: Job): { mark: Mark; word?: string } {
  const state = stateOf(job);
  if (state === 'running') return { mark: job.lastRun?.state ?? 'running' };
  if (state === 'failed' && job.lastRun) {
    if (job.scheduleError) return { mark: 'failed', word: 'No schedule' };
    return { mark: job.lastRun.state === 'cancelled' ? (job.standing.state ?? 'failed') : job.lastRun.state };
  }
  if (state === 'good') return { mark: 'succeeded' };
  return { mark: STATES[state].mark, word: STATES[state].label };
}

const RANKS: JobState[] = ['failed', 'warnings', 'new', 'running', 'good', 'paused'];
/** More than any time in milliseconds. */
const RANK = 1e14;

/** The most urgent first: by state, then by the age of the last good backup. */
export function urgency(job: Job): number {
  const lastGood = job.standing.lastGoodAt ? Date.parse(job.standing.lastGoodAt) : 0;
  return RANKS.indexOf(stateOf(job)) * RANK + lastGood;
}

/** The later state of a job's last run: a list may have been read before an event came, and arrive after it. */
export function later(read: Run | null | undefined, heard: Run | undefined): Run | null | undefined {
  if (!heard || (read && read.id > heard.id)) return read;
  return read?.id === heard.id && isOver(read) ? read : heard;
}

/** When a job runs next. Unknown while the time that was read has passed: the run of that time is on its way. */
export function nextRunOf({ enabled, nextRunAt }: Job, now: Date): string | undefined {
  return enabled && nextRunAt && Date.parse(nextRunAt) > now.getTime() ? nextRunAt : undefined;
}

/** Bytes that the last run stored at each destination, if it succeeded. */
export const lastSize = ({ lastRun }: Job): number | undefined =>
  lastRun && isSuccess(lastRun.state) ? lastRun.storedBytes : undefined;

/** How long the last run took, in milliseconds, once it is over. */
export function lastDuration({ lastRun }: Job): number | undefined {
  if (!lastRun?.startedAt || !lastRun.finishedAt) return undefined;
  return Date.parse(lastRun.finishedAt) - Date.parse(lastRun.startedAt);
}
