import { expect, test } from 'vitest';
import type { Cause, JobDay } from '../../api/client';
import { restOf, wordsOf } from './cause-words';
import { datesUntil, dayInWords, isNearlyFull, markOf, total } from './standing';

const day = (more: object): JobDay => ({ date: '2026-01-15', ...more });
const cause = (more: object) => ({ key: 'k', kind: 'failed', level: 'bad', jobCount: 2, jobs: [], ...more }) as Cause;
const a = { id: 'a', name: 'a', runId: 'r' };

test('a day is as bad as the worst of it', () => {
  expect(markOf(day({ succeeded: 3, failed: 1 }))).toBe('failed');
  expect(markOf(day({ missed: true }))).toBe('missed');
  expect(markOf(day({ succeeded: 2, withWarnings: 1 }))).toBe('warned');
  expect(markOf(day({ succeeded: 2, withWarnings: 1, partial: 1 }))).toBe('partial');
  expect(markOf(day({ succeeded: 1 }))).toBe('succeeded');
  expect(markOf(day({ cancelled: 1 }))).toBe('cancelled');
  expect(dayInWords(day({ succeeded: 3, failed: 1 }))).toBe('3 succeeded, 1 failed');
  expect(dayInWords(day({ succeeded: 2, withWarnings: 1, failed: 1 }))).toBe('2 succeeded (1 with warnings), 1 failed');
});

test('what the server leaves out is nothing', () => {
  expect(total([day({ failed: 1 }), day({}), day({ failed: 2 })], ({ failed }) => failed)).toBe(3);
  expect(total([day({ missed: true }), day({})], ({ missed }) => missed)).toBe(1);
});

test('the days end with the date of the job', () => {
  expect(datesUntil('2026-03-01', 3)).toEqual(['2026-02-27', '2026-02-28', '2026-03-01']);
});

test('a space without a limit is never full', () => {
  expect([{ used: 95, allowed: 100 }, { used: 5, allowed: 100 }, { used: 95 }, undefined].map(isNearlyFull)).toEqual([
    true,
    false,
    false,
    false,
  ]);
});

test('jobs that failed together are told of at their place; at none, by their reason', () => {
  const nas = { id: 'd', name: 'NAS', authorization: 'not_required' as const };
  expect(wordsOf(cause({ destination: nas })).title).toBe('2 jobs failed at NAS');
  expect(wordsOf(cause({ source: { id: 's', name: 'Shop' } })).cure?.href).toBe('/sources/s');
  const different = wordsOf(cause({}));
  expect([different.title, different.text, different.cure?.href]).toEqual([
    '2 jobs failed',
    'Their last runs failed for different reasons.',
    '/jobs?state=failed',
  ]);
  expect(wordsOf(cause({ jobCount: 1, jobs: [a] })).cure?.href).toBe('/runs/r');
});

test('what a job lacks is cured in its form; of several, in the list', () => {
  const single = (jobCount: number) => cause({ kind: 'oneCopy', level: 'note', jobCount, jobs: [a] });
  expect(wordsOf(single(1)).cure?.href).toBe('/jobs/a/edit');
  expect(wordsOf(single(2)).cure?.href).toBe('/jobs');
});

test('the rest of many jobs is a list that shows them', () => {
  expect(restOf(cause({ jobsQuery: 'status=failed&sourceId=s' }))).toBe('/jobs?state=failed');
  expect(restOf(cause({ kind: 'authorize', jobsQuery: 'destinationId=d' }))).toBeUndefined();
});

test('a channel that does not deliver is cured on its page', () => {
  const words = wordsOf(cause({ kind: 'channel', level: 'warn', jobCount: 0, channel: { id: 'c', name: 'Ops' } }));
  expect([words.title, words.cure?.href]).toEqual(['Notifications do not reach Ops', '/notifications/channels/c']);
});
