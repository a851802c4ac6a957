import { expect, test } from 'vitest';
import type { Run } from '../../api/client';
import { withMore, withRun } from './list';

const run = (id: string, state: Run['state'] = 'succeeded') => ({ id, state }) as Run;
const ids = (runs: Run[]) => runs.map(({ id }) => id).join('');

test('an event changes a run in its place, adds a newer one and takes one that no longer fits', () => {
  const items = [run('d'), run('c', 'running')];
  expect(ids(withRun({ items }, run('e'), true))).toBe('edc');
  expect(withRun({ items }, run('c'), true)[1]?.state).toBe('succeeded');
  expect(ids(withRun({ items }, run('c'), false))).toBe('d');
});

test('an older run is not put behind a part of the list', () => {
  const items = [run('d'), run('c')];
  expect(ids(withRun({ items, nextCursor: 'c' }, run('a'), true))).toBe('dc');
  expect(ids(withRun({ items }, run('a'), true))).toBe('dca');
});

test('a further page keeps what was heard meanwhile, each run once', () => {
  const items = [run('e'), run('d'), run('c', 'failed')];
  const all = withMore(items, [run('c', 'running'), run('b')]);
  expect(ids(all)).toBe('edcb');
  expect(all[2]?.state).toBe('failed');
});
