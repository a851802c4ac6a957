import { expect, test } from 'vitest';
import type { Destination, Job, JobStanding, Overview } from '../../api/client';
import { dayInWords, headline, markOf, standing } from './standing';

const now = new Date('2026-01-15T12:00:00Z');
const day = (more: object) => ({
  day: 29,
  succeeded: 0,
  withWarnings: 0,
  partial: 0,
  failed: 0,
  cancelled: 0,
  unfinished: 0,
  missed: false,
  storedBytes: 0,
  ...more,
});
const job = (id: string, more: object = {}) => ({ id, name: id, enabled: true, ...more }) as Job;
const stands = (jobId: string, more: object): JobStanding => ({ jobId, backedUp: 0, warnings: 0, days: [], ...more });
const good = (jobId: string, databases: number, lastGoodAt: string) =>
  stands(jobId, { state: 'succeeded', databases, backedUp: databases, lastGoodAt });
const dropbox = (status: string, space?: object) =>
  ({ id: 'd', name: 'Offsite', authorization: { status, space } }) as unknown as Destination;
const overview = (jobs: JobStanding[], fullOn?: string): Overview => ({
  dates: Array.from({ length: 30 }, (_, index) => `2026-01-${index}`),
  jobs,
  destinations: fullOn ? [{ destinationId: 'd', days: [], fullOn }] : [],
});

test('all is well', () => {
  const jobs = [job('a', { nextRunAt: '2026-01-16T03:00:00Z' }), job('b', { nextRunAt: '2026-01-15T20:00:00Z' })];
  const told = overview([good('a', 8, '2026-01-15T03:00:00Z'), good('b', 4, '2026-01-14T03:00:00Z')]);
  const how = standing(told, jobs, [dropbox('authorized')], now);
  expect(headline(how)).toBe('All 12 databases are backed up.');
  expect([how.oldest?.job.id, how.next?.job.id]).toEqual(['b', 'b']);
});

test('what did not succeed, was missed or has never run is counted by databases', () => {
  const told = overview([
    stands('a', { state: 'partial', databases: 5, backedUp: 3 }),
    stands('b', { state: 'succeeded', databases: 1, backedUp: 1, days: [day({ missed: true })] }),
    stands('c', {}),
  ]);
  const how = standing(told, [job('a'), job('b'), job('c')], [], now);
  expect(how.troubles.map(({ kind }) => kind)).toEqual(['failed', 'missed', 'never']);
  expect(headline(how)).toBe('4 databases need attention.');
});

test('a schedule that cannot be read needs attention, whatever the last run came to', () => {
  const told = overview([{ ...good('a', 2, '2026-01-15T03:00:00Z'), scheduleError: "'Mars' is not a time zone" }]);
  expect(standing(told, [job('a')], [], now).troubles.map(({ kind }) => kind)).toEqual(['schedule']);
});

test('a destination to be authorized, or soon full, needs attention', () => {
  const told = overview([good('a', 1, '2026-01-15T03:00:00Z')], '2026-01-30');
  const how = standing(told, [job('a')], [dropbox('authorization_required', { used: 1, allowed: 10 })], now);
  expect(how.troubles.map(({ kind }) => kind)).toEqual(['authorize', 'full']);
  expect(headline(how)).toBe('2 destinations need attention.');
  const later = overview([good('a', 1, '2026-01-15T03:00:00Z')], '2026-06-30');
  expect(standing(later, [job('a')], [dropbox('authorized', { used: 95, allowed: 100 })], now).troubles.length).toBe(1);
  expect(standing(later, [job('a')], [dropbox('authorized', { used: 5, allowed: 100 })], now).troubles.length).toBe(0);
});

test('a job with warnings is backed up, and is listed until they are acknowledged', () => {
  const more = { ...good('a', 2, '2026-01-15T03:00:00Z'), state: 'succeededWithWarnings' as const, lastGoodRunId: 'r' };
  const how = standing(overview([{ ...more, warnings: 3 }]), [job('a')], [], now);
  expect([headline(how), how.troubles]).toEqual(['All 2 databases are backed up.', []]);
  expect(how.warned).toEqual([{ job: job('a'), warnings: 3, runId: 'r' }]);
  expect(standing(overview([more]), [job('a')], [], now).warned).toEqual([]);
  expect(markOf(day({ succeeded: 2, withWarnings: 1 }))).toBe('warned');
  expect(markOf(day({ succeeded: 2, withWarnings: 1, partial: 1 }))).toBe('partial');
  expect(dayInWords(day({ succeeded: 2, withWarnings: 1, failed: 1 }))).toBe('2 succeeded (1 with warnings), 1 failed');
});

test('a day is as bad as the worst of it', () => {
  expect(markOf(day({ succeeded: 3, failed: 1 }))).toBe('failed');
  expect(markOf(day({ missed: true }))).toBe('missed');
  expect(dayInWords(day({ succeeded: 3, failed: 1 }))).toBe('3 succeeded, 1 failed');
});
