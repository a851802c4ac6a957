import { expect, test } from 'vitest';
import type { Run } from '../../api/client';
import { change, failedAt, outcome, ranOutOfSpace, restoreAddress } from './summary';
import { isStored } from './words';

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
  expect(outcome(run({ state: 'failed' }, copy('a', 'full')))).toBe('No complete backup was made.');
  expect(outcome(run({ state: 'cancelled' }))).toBe('This run was cancelled.');
});

test('a database without a dump is missing, though it has no copies to count', () => {
  const databases = (...all: object[][]) =>
    outcome(
      run({ state: 'partial', result: { databases: all.map((copies) => ({ copies })) } as unknown as Run['result'] }),
    );
  expect(databases([copy('a')], [])).toBe('Backed up in part: 1 of 2 databases.');
  expect(databases([copy('a'), copy('b', 'full')], [])).toBe(
    'Backed up in part: 1 of 2 databases, 1 of 2 copies complete.',
  );
});

test('a restore or a copy that failed claims nothing that is not known', () => {
  const restore = (of: Partial<Run>) => outcome(run({ kind: 'restore', state: 'failed', ...of }));
  const kept = { kept: 'shop_restored' } as unknown as Run['result'];
  expect(restore({})).toBe('Nothing was restored.');
  expect(restore({ result: kept })).toBe('Restored, but not put in place.');
  expect(restore({ result: kept, state: 'cancelled' })).toBe('Restored, but not put in place.');
  expect(restore({ code: 'outcomeUnknown' })).toBe('It is not known whether the target was changed.');
  const copied = (of: Partial<Run>) => outcome(run({ kind: 'copy', state: 'failed', ...of }));
  expect(copied({})).toBe('Nothing was copied.');
  expect(copied({ code: 'outcomeUnknown' })).toBe('It is not known whether the backup was copied.');
  expect(copied({ code: 'sidecarFailed' })).toBe('The backup was copied, but not its metadata file.');
});

test('a database is stored once every destination has its copy', () => {
  const stored = (of: object) => isStored({ database: 'a', copies: [], ...of });
  expect(stored({ copies: [copy('a'), copy('b')] })).toBe(true);
  expect(stored({ copies: [copy('a'), copy('b', 'full')] })).toBe(false);
  expect(stored({ copies: [copy('a')], stage: 'proving' })).toBe(false);
  expect(stored({})).toBe(false);
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
