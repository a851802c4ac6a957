import { expect, test } from 'vitest';
import type { Job, Run } from '../../api/client';
import { askFor, busiest, overlapsOf, rowsOf, startsOf, type Window } from './slots';

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

test('an interval comes again and again until the window ends', () => {
  const hourly = job('a', { schedule: { cron: '0 */6 * * *', timeZone: 'UTC' }, nextRunAt: '2026-11-27T00:00:00Z' });
  expect(startsOf(hourly, window, new Map())).toEqual([
    at('2026-11-27T00:00:00Z'),
    at('2026-11-27T06:00:00Z'),
    at('2026-11-27T12:00:00Z'),
  ]);
});

test('the server is asked only where the next run does not say it all', () => {
  expect(askFor(job('a'))).toBeUndefined();
  expect(askFor(job('a', { schedule: { cron: '*/15 * * * *', timeZone: 'UTC' } }))).toBeUndefined();
  const twice = { cron: '30 1,13 * * *', timeZone: 'UTC' };
  expect(askFor(job('a', { schedule: twice }))).toEqual(twice);
  expect(askFor(job('a', { schedule: twice, enabled: false }))).toBeUndefined();
  const known = new Map([
    ['30 1,13 * * * UTC', ['2026-11-27T01:30:00Z', '2026-11-27T13:30:00Z', '2026-11-28T01:30:00Z']],
  ]);
  const starts = startsOf(job('a', { schedule: twice, nextRunAt: '2026-11-27T01:30:00Z' }), window, known);
  expect(starts).toEqual([at('2026-11-27T01:30:00Z'), at('2026-11-27T13:30:00Z')]);
});

test('a paused job and one without a schedule are not planned', () => {
  expect(startsOf(job('a', { enabled: false }), window, new Map())).toEqual([]);
  expect(startsOf(job('a', { schedule: null }), window, new Map())).toEqual([]);
});

test('a planned run takes as long as the last one; of others it is a guess', () => {
  const [known, unknown] = rowsOf(
    [job('a', { lastRun: took(90) }), job('b', { nextRunAt: '2026-11-27T04:00:00Z' })],
    [],
    window,
    new Map(),
  );
  expect(known?.bars[0]).toMatchObject({ to: at('2026-11-27T04:30:00Z'), guessed: false });
  expect(unknown?.bars[0]?.guessed).toBe(true);
});

test('what overlaps is found, of the same source apart; what follows at once is not', () => {
  const long = job('long', { lastRun: took(60), sourceId: 'db' });
  const same = job('same', { lastRun: took(10), sourceId: 'db', nextRunAt: '2026-11-27T03:30:00Z' });
  const other = job('other', { lastRun: took(10), nextRunAt: '2026-11-27T03:59:00Z' });
  const after = job('after', { lastRun: took(10), nextRunAt: '2026-11-27T04:10:00Z' });
  const rows = rowsOf([after, other, same, long], [], window, new Map());
  expect(rows.map(({ job }) => job.name)).toEqual(['long', 'same', 'other', 'after']);
  const overlaps = overlapsOf(rows).map(({ bar, sameSource, others }) => [
    bar.job.name,
    sameSource.map(({ job }) => job.name),
    others.map(({ job }) => job.name),
  ]);
  expect(overlaps).toEqual([
    ['long', ['same'], ['other']],
    ['same', ['long'], []],
    ['other', [], ['long']],
  ]);
  expect(busiest(rows)).toEqual({ count: 2, at: at('2026-11-27T03:30:00Z') });
});

test('what ran is shown as it ran, and what still runs up to now', () => {
  const runs = [
    { ...took(30), jobId: 'a', startedAt: '2026-11-26T16:00:00Z', finishedAt: '2026-11-26T16:30:00Z' },
    { id: 's', jobId: 'a', state: 'running', startedAt: '2026-11-26T19:50:00Z' },
  ] as Run[];
  const [row] = rowsOf([job('a')], runs, window, new Map());
  expect(row?.bars.map(({ from, to }) => (to - from) / 60_000)).toEqual([30, 10, 5]);
});
