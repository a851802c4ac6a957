/** What needs attention, grouped by what is behind it, so that one cure stands for all that it helps. */
import type { Destination, Job, JobStanding, Profile } from '../../api/client';
import { needsAuthorization } from '../destinations/authorization';
import { databasesOf, failedAtSource, isSuccess } from '../runs/words';

/** What can be wrong, the most urgent first. */
const KINDS = [
  'authorize',
  'failed',
  'schedule',
  'missed',
  'full',
  'never',
  'key',
  'plaintext',
  'oneCopy',
  'unrestored',
] as const;

export interface Cause {
  /** The same for as long as it lasts. */
  key: string;
  kind: (typeof KINDS)[number];
  /** `bad`: backups are missing now. `warn`: they can be lost, or will be missing. `note`: what a careful owner would still do. */
  level: 'bad' | 'warn' | 'note';
  /** The jobs that it concerns. */
  jobs: Job[];
  destination?: Destination;
  profile?: Profile;
  /** Where jobs failed, if their failure names a place. */
  sourceId?: string;
  destinationId?: string;
  /** In the server's words. Absent if the jobs have several reasons. */
  reason?: string | null;
  /** The day on which a destination is full. */
  on?: string | null;
}

export const byUrgency = (one: Cause, other: Cause): number =>
  KINDS.indexOf(one.kind) - KINDS.indexOf(other.kind) || other.jobs.length - one.jobs.length;

/** Whether a job lacks a good backup now, by what its runs came to. Pausing and cancelling are choices, not failures. */
export function troubleOf(
  job: Job,
  stands: JobStanding | undefined,
  days: number,
): 'failed' | 'schedule' | 'missed' | 'never' | undefined {
  if (!job.enabled) return undefined;
  if (stands?.scheduleError) return 'schedule';
  const state = stands?.state;
  if (!state) return stands?.days.some(({ unfinished }) => unfinished > 0) ? undefined : 'never';
  if (state === 'cancelled') {
    if (failedBeforeCancelled(stands)) return 'failed';
    return stands.lastGoodAt ? undefined : 'never';
  }
  if (!isSuccess(state)) return 'failed';
  const last = stands.days.at(-1);
  return last?.missed && last.day >= days - 2 ? 'missed' : undefined;
}

/** Whether what a cancelled run was to replace had failed: a cancelled run does not mend it. */
function failedBeforeCancelled({ days }: JobStanding): boolean {
  const last = [...days].reverse().find(({ succeeded, partial, failed }) => succeeded + partial + failed > 0);
  return last !== undefined && last.succeeded === 0;
}

/** Whether a job's failure is that it waits for destinations to be authorized, and nothing else. */
function isWaiting(job: Job, waiting: Set<string>): boolean {
  const databases = databasesOf(job.lastRun ?? undefined);
  const missing = databases.flatMap(({ copies }) => copies).filter(({ error }) => error);
  if (missing.length === 0) return job.destinationIds.every((id) => waiting.has(id));
  return missing.every(({ destinationId }) => destinationId && waiting.has(destinationId));
}

/** Where a failed run failed: at its source, or at one destination. Neither if it failed at several, or at no place at all. */
function placeOf(job: Job): Pick<Cause, 'destinationId' | 'sourceId'> {
  if (failedAtSource(job.lastRun)) return { sourceId: job.sourceId };
  const databases = databasesOf(job.lastRun ?? undefined);
  const missing = databases.flatMap(({ copies }) => copies).filter(({ error }) => error);
  const [first] = missing;
  const isOnePlace = first && missing.every(({ destinationId }) => destinationId === first.destinationId);
  const isDumped = databases.every(({ error }) => !error);
  return isOnePlace && isDumped && first.destinationId ? { destinationId: first.destinationId } : {};
}

export interface Facts {
  /** With what is the matter with each. */
  troubled: { job: Job; trouble: NonNullable<ReturnType<typeof troubleOf>> }[];
  jobs: Job[];
  destinations: Destination[];
  profiles: Profile[];
  /** Destinations that somebody else runs. */
  foreign: Set<string>;
  /** Destinations that are full, or soon will be. */
  full: { destination: Destination; on?: string | null }[];
  /** Whether a backup has ever been restored here. Absent if that is not known. */
  restored?: boolean;
}

export function causesOf({ troubled, jobs, destinations, profiles, foreign, full, restored }: Facts): Cause[] {
  const enabled = jobs.filter(({ enabled }) => enabled);
  const waiting = new Set(destinations.filter(needsAuthorization).map(({ id }) => id));
  const causes: Cause[] = destinations.filter(needsAuthorization).map((destination) => ({
    key: `authorize ${destination.id}`,
    kind: 'authorize',
    level: 'bad',
    destination,
    jobs: enabled.filter(({ destinationIds }) => destinationIds.includes(destination.id)),
  }));
  // What waits for an authorization is said there.
  const others = troubled.filter(
    ({ job, trouble }) => !((trouble === 'failed' || trouble === 'never') && isWaiting(job, waiting)),
  );
  causes.push(...failures(others.filter(({ trouble }) => trouble === 'failed').map(({ job }) => job)));
  for (const kind of ['missed', 'never'] as const) {
    const concerned = others.filter(({ trouble }) => trouble === kind).map(({ job }) => job);
    if (concerned.length > 0) causes.push({ key: kind, kind, level: 'bad', jobs: concerned });
  }
  for (const { job } of others.filter(({ trouble }) => trouble === 'schedule')) {
    causes.push({ key: `schedule ${job.id}`, kind: 'schedule', level: 'bad', jobs: [job], reason: job.scheduleError });
  }
  for (const { destination, on } of full) {
    const concerned = enabled.filter(({ destinationIds }) => destinationIds.includes(destination.id));
    causes.push({ key: `full ${destination.id}`, kind: 'full', level: 'warn', destination, on, jobs: concerned });
  }
  return [...causes, ...risks(enabled, profiles, foreign, restored)].sort(byUrgency);
}

/** Failed jobs, together where they failed at the same place, or else for the same kind of reason. */
function failures(jobs: Job[]): Cause[] {
  const byPlace = new Map<string, Cause>();
  for (const job of jobs) {
    const place = placeOf(job);
    const at = place.destinationId ?? place.sourceId;
    const key = `failed ${at ?? job.lastRun?.code ?? ''}`;
    const reason = job.lastRun?.error;
    const cause = byPlace.get(key);
    if (!cause) {
      byPlace.set(key, { key, kind: 'failed', level: 'bad', jobs: [job], reason, ...place });
      continue;
    }
    cause.jobs.push(job);
    // What one of them says is not what all of them say.
    if (!at && cause.reason !== reason) cause.reason = undefined;
  }
  return [...byPlace.values()];
}

/** What is backed up, but could be lost all the same. */
function risks(enabled: Job[], profiles: Profile[], foreign: Set<string>, restored: boolean | undefined): Cause[] {
  const causes: Cause[] = profiles
    .filter(({ canDecrypt, exportedAt }) => canDecrypt && !exportedAt)
    .map((profile) => ({
      key: `key ${profile.id}`,
      kind: 'key' as const,
      level: 'warn' as const,
      profile,
      jobs: enabled.filter(({ profileId }) => profileId === profile.id),
    }))
    .filter(({ jobs }) => jobs.length > 0);
  const plaintext = enabled.filter(
    ({ profileId, destinationIds }) => !profileId && destinationIds.some((id) => foreign.has(id)),
  );
  if (plaintext.length > 0) causes.push({ key: 'plaintext', kind: 'plaintext', level: 'warn', jobs: plaintext });
  const single = enabled.filter(({ destinationIds }) => destinationIds.length === 1);
  if (single.length > 0) causes.push({ key: 'oneCopy', kind: 'oneCopy', level: 'note', jobs: single });
  if (restored === false && enabled.length > 0) {
    causes.push({ key: 'unrestored', kind: 'unrestored', level: 'note', jobs: enabled });
  }
  return causes;
}
