import { expect, test } from 'vitest';
import type { Job, JobStanding, Run } from '../../api/client';
import { later, markOf, nextRunOf, stateOf, urgency, withHeard } from './state';

const run = (state: Run['state'], id = '1') => ({ id, state }) as Run;
const standing = (rest: object) => ({ status: 'new', warnings: 0, backedUp: 0, ...rest }) as JobStanding;
const job = (rest: Partial<Job>) => ({ id: 'j', enabled: true, standing: standing({}), ...rest }) as Job;

test('what is heard of a run changes how its job stands; neither a pause nor a cancelled run is a failure', () => {
  const after = (state: Run['state'], rest: Partial<Job> = {}) => stateOf(withHeard(job(rest), run(state)));
  expect(stateOf(job({}))).toBe('new');
  expect(after('running', { enabled: false })).toBe('running');
  expect(after('failed', { enabled: false })).toBe('paused');
  expect(after('partial')).toBe('failed');
  expect(after('succeededWithWarnings')).toBe('warnings');
  expect(after('cancelled', { standing: standing({ state: 'succeeded' }) })).toBe('good');
  expect(after('cancelled', { standing: standing({ state: 'failed' }) })).toBe('failed');
  expect(after('cancelled')).toBe('new');
  expect(after('succeeded', { scheduleError: 'unknown' })).toBe('failed');
  const good = withHeard(job({}), { ...run('succeeded'), finishedAt: '2026-01-15T12:00:00Z' });
  expect(good.standing.lastGoodAt).toBe('2026-01-15T12:00:00Z');
});

test('the word of the server stands until something newer is heard', () => {
  const acknowledged = job({ lastRun: run('succeededWithWarnings'), standing: standing({ status: 'good' }) });
  expect(stateOf(withHeard(acknowledged, undefined))).toBe('good');
  expect(stateOf(withHeard(acknowledged, run('running')))).toBe('good');
});

test('a failure keeps its own word', () => {
  const failed = (rest: Partial<Job>) =>
    job({ standing: standing({ status: 'failed', state: 'interrupted' }), ...rest });
  expect(markOf(failed({ lastRun: run('partial') }))).toEqual({ mark: 'partial' });
  expect(markOf(failed({ lastRun: run('cancelled') }))).toEqual({ mark: 'interrupted' });
});

test('the most urgent first: failed before good, and the older last good backup first', () => {
  const at = (status: string, lastGoodAt?: string) => urgency(job({ standing: standing({ status, lastGoodAt }) }));
  expect(at('failed')).toBeLessThan(at('failed', '2026-01-01T00:00:00Z'));
  expect(at('failed', '2026-01-01T00:00:00Z')).toBeLessThan(at('failed', '2026-01-02T00:00:00Z'));
  expect(at('failed', '2026-01-02T00:00:00Z')).toBeLessThan(at('good', '2020-01-01T00:00:00Z'));
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
