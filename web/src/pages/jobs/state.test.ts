import { expect, test } from 'vitest';
import type { Job, JobStanding, Run } from '../../api/client';
import { later, markOf, nextRunOf, stateOf, urgency } from './state';

const run = (state: Run['state'], id = '1') => ({ id, state }) as Run;
const job = (rest: Partial<Job>) => ({ id: 'j', enabled: true, ...rest }) as Job;
const standing = (rest: Partial<JobStanding>) => ({ jobId: 'j', days: [], ...rest }) as unknown as JobStanding;

test('each job has one state; neither a pause nor a cancelled run is a failure', () => {
  expect(stateOf(job({}), undefined)).toBe('new');
  expect(stateOf(job({ lastRun: run('running'), enabled: false }), undefined)).toBe('running');
  expect(stateOf(job({ lastRun: run('failed'), enabled: false }), undefined)).toBe('paused');
  expect(stateOf(job({ lastRun: run('partial') }), undefined)).toBe('failed');
  expect(stateOf(job({ lastRun: run('succeededWithWarnings') }), undefined)).toBe('warnings');
  expect(stateOf(job({ lastRun: run('cancelled') }), standing({ state: 'succeeded' }))).toBe('good');
  expect(stateOf(job({ lastRun: run('cancelled') }), standing({ state: 'failed' }))).toBe('failed');
  expect(stateOf(job({ lastRun: run('cancelled') }), undefined)).toBe('new');
  expect(stateOf(job({ lastRun: run('succeeded'), scheduleError: 'unknown' }), undefined)).toBe('failed');
});

test('a failure keeps its own word', () => {
  expect(markOf(job({ lastRun: run('partial') }), undefined)).toEqual({ mark: 'partial' });
  expect(markOf(job({ lastRun: run('cancelled') }), standing({ state: 'interrupted' }))).toEqual({
    mark: 'interrupted',
  });
});

test('the most urgent first: failed before good, and the older last good backup first', () => {
  const failed = (at?: string) => urgency(job({ lastRun: run('failed') }), standing({ lastGoodAt: at }));
  const good = urgency(job({ lastRun: run('succeeded') }), standing({ lastGoodAt: '2020-01-01T00:00:00Z' }));
  expect(failed()).toBeLessThan(failed('2026-01-01T00:00:00Z'));
  expect(failed('2026-01-01T00:00:00Z')).toBeLessThan(failed('2026-01-02T00:00:00Z'));
  expect(failed('2026-01-02T00:00:00Z')).toBeLessThan(good);
});

test('a list that was read before an event, and arrives after it, does not take it back', () => {
  expect(later(run('running'), run('succeeded'))?.state).toBe('succeeded');
  expect(later(run('succeeded'), run('running'))?.state).toBe('succeeded');
  expect(later(run('succeeded', '2'), run('running', '1'))?.id).toBe('2');
  expect(later(undefined, run('queued'))?.state).toBe('queued');
  expect(later(run('succeeded'), undefined)?.state).toBe('succeeded');
});

test('a time that has passed is not the next run', () => {
  const now = new Date('2026-01-15T12:00:00Z');
  const next = (rest: Partial<Job>) => nextRunOf(job(rest), now);
  expect(next({ nextRunAt: '2026-01-15T12:00:01Z' })).toBe('2026-01-15T12:00:01Z');
  expect(next({ nextRunAt: '2026-01-15T11:59:59Z' })).toBeUndefined();
  expect(next({ nextRunAt: '2026-01-15T12:00:01Z', enabled: false })).toBeUndefined();
  expect(next({})).toBeUndefined();
});
