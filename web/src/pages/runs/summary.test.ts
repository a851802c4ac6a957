import { expect, test } from 'vitest';
import type { Run } from '../../api/client';
import { change, failedAt, outcome, ranOutOfSpace, restoreAddress } from './summary';

const copy = (destinationId: string, error?: string) => ({
  destinationId,
  destination: destinationId,
  ...(error ? { error } : { path: 'shop/backup.db' }),
});
const run = (of: Partial<Run>, ...copies: object[]): Run =>
  ({
    kind: 'backup',
    state: 'succeeded',
    destinations: [],
    result: { databases: [{ database: 'shop', copies }] },
    ...of,
  }) as unknown as Run;

test('the outcome is one sentence, of what is there now', () => {
  expect(outcome(run({ state: 'running' }))).toBeUndefined();
  expect(outcome(run({}, copy('a'), copy('b')))).toBe('1 database backed up to 2 destinations.');
  expect(outcome(run({ state: 'partial' }, copy('a'), copy('b', 'full')))).toBe(
    'Backed up in part: 1 of 2 copies complete.',
  );
  expect(outcome(run({ state: 'failed' }, copy('a', 'full')))).toBe('No backup was made.');
  expect(outcome(run({ state: 'cancelled' }))).toBe('This run was cancelled.');
  expect(outcome(run({ kind: 'restore', state: 'failed' }))).toBe('Nothing was restored. The target is unchanged.');
});

test('where it failed is told by the copies that are missing', () => {
  expect(failedAt(run({ state: 'partial' }, copy('a'), copy('b', 'full'), copy('b', 'full')))).toEqual(['b']);
});

test('a storage without room is known by its words, where it tells no figures', () => {
  const full = run({ state: 'partial' }, copy('a'), copy('b', 'Offsite is full (2.9 MiB of 2.9 MiB used)'));
  expect([ranOutOfSpace(full, 'a'), ranOutOfSpace(full, 'b')]).toEqual([false, true]);
});

test('a backup is restored from its first copy; a restore is tried again with what it was about', () => {
  expect(restoreAddress(run({}, copy('a')))).toBe('/backups/restore?destination=a&path=shop%2Fbackup.db');
  expect(restoreAddress(run({ state: 'failed' }, copy('a', 'full')))).toBeUndefined();
  const request = { destinationId: 'a', path: 'p', sourceId: 's', database: 'x' };
  expect(restoreAddress(run({ kind: 'restore', request } as unknown as Partial<Run>))).toBe(
    '/backups/restore?destination=a&path=p&source=s&database=x',
  );
});

test('what is unusual beside the run before is marked', () => {
  const words: [string, string] = ['larger', 'smaller'];
  expect(change(101, 100, words)).toEqual({ words: 'same as before', unusual: false });
  expect(change(110, 100, words)).toEqual({ words: '10% larger than before', unusual: false });
  expect(change(60, 100, words)).toEqual({ words: '40% smaller than before', unusual: true });
  expect(change(250, 100, words)).toEqual({ words: '2.5 times the run before', unusual: true });
  expect(change(5, 0, words)).toBeUndefined();
});
