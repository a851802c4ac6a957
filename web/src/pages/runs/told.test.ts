import { expect, test } from 'vitest';
import type { Run } from '../../api/client';
import { told } from './words';

const run = (of: Partial<Run>) => ({ kind: 'backup', title: 'shop', state: 'running', ...of }) as Run;

test('a toast says how the run stands, never more', () => {
  expect(told(run({}))).toEqual({ level: 'info', title: 'Backup of shop is running…' });
  expect(told(run({ state: 'queued' })).title).toBe('Backup of shop is queued');
  expect(told(run({ state: 'succeeded' }))).toEqual({ level: 'success', title: 'shop backed up' });
  expect(told(run({ state: 'succeededWithWarnings' })).level).toBe('warning');
  expect(told(run({ state: 'partial', error: 'no room' }))).toEqual({
    level: 'warning',
    title: 'Backup of shop is incomplete',
    why: 'No room.',
  });
});

test('only what failed is told as a failure', () => {
  expect(told(run({ state: 'failed', error: 'no room' })).level).toBe('error');
  expect(told(run({ state: 'interrupted' })).level).toBe('error');
  expect(told(run({ state: 'cancelled', error: 'cancelled' }))).toEqual({
    level: 'info',
    title: 'Backup of shop was cancelled',
  });
});
