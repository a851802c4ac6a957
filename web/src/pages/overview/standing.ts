/** What the first page says of what the server has summed up. */
import type { Destination, JobDay, JobStatus, Overview } from '../../api/client';

/** Fuller than this is worth a word. */
const FULL = 0.9;
const DAY = 86_400_000;

/** How jobs stand, the most urgent first. */
export const STATUSES: JobStatus[] = ['failed', 'new', 'running', 'warnings', 'paused', 'good'];

export interface Space {
  /** In bytes. */
  used: number;
  /** In bytes; absent if it is not known. */
  allowed?: number | null;
}

/** How full a destination was when it was last looked at; of any kind of storage. */
export function spaceOf(overview: Overview, { id, authorization }: Destination): Space | undefined {
  return authorization.space ?? overview.destinations.find(({ destinationId }) => destinationId === id);
}

export const isNearlyFull = (space: Space | null | undefined): boolean =>
  Boolean(space?.allowed && space.used / space.allowed > FULL);

/** How many jobs there are. */
export const jobsIn = ({ jobs }: Overview): number => STATUSES.reduce((sum, status) => sum + jobs[status], 0);

/** The days up to a date, the oldest first: `2026-01-15`. */
export function datesUntil(today: string, days: number): string[] {
  const last = Date.parse(`${today}T00:00:00Z`);
  return Array.from({ length: days }, (_, index) =>
    new Date(last - (days - 1 - index) * DAY).toISOString().slice(0, 10),
  );
}

/** What a day of a job was, as one mark; the worst of it. */
export function markOf(day: JobDay) {
  if (day.failed) return 'failed';
  if (day.partial) return 'partial';
  if (day.missed) return 'missed';
  if (day.unfinished) return 'running';
  if (day.withWarnings) return 'warned';
  return day.succeeded ? 'succeeded' : 'cancelled';
}

/** The sum of a number over days; what is 0 is left out by the server. */
export const total = (days: JobDay[], of: (day: JobDay) => number | boolean | undefined): number =>
  days.reduce((sum, day) => sum + Number(of(day) ?? 0), 0);

/** "2 succeeded, 1 failed". */
export function dayInWords(day: JobDay): string {
  const parts: [number | undefined, string][] = [
    [day.succeeded, 'succeeded'],
    [day.partial, 'partial'],
    [day.failed, 'failed'],
    [day.cancelled, 'cancelled'],
    [day.unfinished, 'still running'],
  ];
  const words = parts.filter(([number]) => number).map(([number, word]) => `${number} ${word}`);
  if (day.withWarnings) words[0] += ` (${day.withWarnings} with warnings)`;
  return [...words, ...(day.missed ? ['missed'] : [])].join(', ');
}
