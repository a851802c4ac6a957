import type { components } from '../../api/schema';
import type { Run } from '../../api/client';
import { size } from '../../format';
import { databasesOf } from './words';

export type DestinationProgress = components['schemas']['DestinationProgress'];

/** What was known of a job's last run that succeeded. */
export interface Before {
  dumpedBytes: number;
  storedBytes: number;
}

const STATES: Record<DestinationProgress['state'], string> = {
  waiting: 'waiting',
  uploading: 'uploading',
  verifying: 'verifying',
  committed: 'verified',
  failed: 'failed',
};

/** Where a destination's copy stands, in words. */
export const stateOf = ({ state }: DestinationProgress): string => STATES[state];

/** How far a run is, in bytes: of a backup and a copy as far as the slowest destination, of a restore as far as its target. */
export const position = (run: Run): number => (run.kind === 'restore' ? run.dumpedBytes : run.sentBytes);

/** Whether every dump is complete: what has left the pipeline by then is all there will be. */
function isDumped(run: Run): boolean {
  const databases = databasesOf(run);
  return databases.length > 0 && databases.every(({ stage }) => stage !== 'waiting' && stage !== 'dumping');
}

/**
 * How many bytes there will be: all of them once everything is dumped; before, those of the last run, unless there are more already.
 * Unknown without one.
 */
export function expected(run: Run, before: Before | undefined): number | undefined {
  if (isDumped(run)) return run.storedBytes;
  const [last, now] =
    run.kind === 'restore' ? [before?.dumpedBytes, run.dumpedBytes] : [before?.storedBytes, run.storedBytes];
  return last && last > now ? last : undefined;
}

/** A destination's bytes, and what became of its copy. */
export function words({ acknowledgedBytes, error, ...destination }: DestinationProgress): string {
  const state = stateOf({ acknowledgedBytes, ...destination });
  if (error) return `${state}: ${error}`;
  return destination.state === 'waiting' ? state : `${size(acknowledgedBytes)} ${state}`;
}
