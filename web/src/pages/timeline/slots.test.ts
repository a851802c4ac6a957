import { expect, test } from 'vitest';
import type { Job, Run } from '../../api/client';
import { busiest, overlapsOf, rowsOf, type Window } from './slots';

const HOUR = 3_600_000;
const now = Date.parse('2026-11-26T20:00:00Z');
const window: Window = { from: now - 6 * HOUR, now, to: now + 18 * HOUR };
const at = (time: string) => Date.parse(time);
const job = (name: string, of: Partial<Job> = {}): Job =>
  ({
    id: name,
    name,
    sourceId: `source of ${name}`,
    destinationIds: ['nas'],
    enabled: true,
    schedule: { cron: '0 3 * * *', timeZone: 'UTC' },
    nextRunAt: '2026-11-27T03:00:00Z',
    ...of,
  }) as Job;
const took = (minutes: number): Run =>
  ({
    id: 'r',
    state: 'succeeded',
    startedAt: '2026-11-26T03:00:00Z',
    finishedAt: new Date(at('2026-11-26T03:00:00Z') + minutes * 60_000).toISOString(),
  }) as Run;

/** The next run of each job, as the server plans it. */
const planned = (jobs: Job[]) => new Map(jobs.map(({ id, nextRunAt }) => [id, nextRunAt ? [nextRunAt] : []]));

test('a planned run takes as long as the last one; of others it is a guess', () => {
  const jobs = [job('a', { lastRun: took(90) }), job('b', { nextRunAt: '2026-11-27T04:00:00Z' })];
  const [known, unknown] = rowsOf(jobs, [], window, planned(jobs));
  expect(known?.bars[0]).toMatchObject({ to: at('2026-11-27T04:30:00Z'), guessed: false });
  expect(unknown?.bars[0]?.guessed).toBe(true);
});

test('jobs of one source that overlap are found once; what follows at once is not', () => {
  const long = job('long', { lastRun: took(60), sourceId: 'db' });
  const same = job('same', { lastRun: took(10), sourceId: 'db', nextRunAt: '2026-11-27T03:30:00Z' });
  const other = job('other', { lastRun: took(10), nextRunAt: '2026-11-27T03:59:00Z' });
  const after = job('after', { lastRun: took(10), nextRunAt: '2026-11-27T04:10:00Z' });
  const jobs = [after, other, same, long];
  const times = planned(jobs).set('same', ['2026-11-27T03:30:00Z', '2026-11-27T03:45:00Z', '2026-11-27T05:00:00Z']);
  const rows = rowsOf(jobs, [], window, times);
  expect(rows.map(({ job }) => job.name)).toEqual(['long', 'same', 'other', 'after']);
  const overlaps = overlapsOf(rows).map(({ jobs, times }) => [...jobs.map(({ name }) => name), times]);
  expect(overlaps).toEqual([['long', 'same', 2]]);
  expect(busiest(rows)).toEqual({ count: 2, at: at('2026-11-27T03:30:00Z') });
});

test('a job that takes longer than its interval runs once at a time', () => {
  const often = job('often', { lastRun: took(90), sourceId: 'db' });
  const rows = rowsOf([often], [], window, new Map([['often', ['2026-11-27T03:00:00Z', '2026-11-27T04:00:00Z']]]));
  expect(overlapsOf(rows)).toEqual([]);
  expect(busiest(rows)).toEqual({ count: 1, at: at('2026-11-27T03:00:00Z') });
});

test('what ran is shown as it ran, and what still runs up to now', () => {
  const runs = [
    { ...took(30), jobId: 'a', startedAt: '2026-11-26T16:00:00Z', finishedAt: '2026-11-26T16:30:00Z' },
    { id: 's', jobId: 'a', state: 'running', startedAt: '2026-11-26T19:50:00Z' },
  ] as Run[];
  const [row] = rowsOf([job('a')], runs, window, planned([job('a')]));
  expect(row?.bars.map(({ from, to }) => (to - from) / 60_000)).toEqual([30, 10, 5]);
});
