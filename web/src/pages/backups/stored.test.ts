import { expect, test } from 'vitest';
import { countedCopies, grouped, isThere, newestRestorable, restorable, searchOf, type Stored } from './stored';

const copy = (destination: string, state = 'present', result?: string, backupId = 'b') =>
  ({
    key: `${destination} ${backupId}`,
    destination: { id: destination, name: destination },
    state,
    backupId,
    verified: result && { result },
  }) as unknown as Stored;

test('copies of one backup are not counted as backups', () => {
  expect(countedCopies([copy('A', 'present', '', 'new'), copy('A', 'present', '', 'old')])).toBe('2 backups');
  expect(countedCopies([copy('A'), copy('B')])).toBe('2 copies');
  expect(countedCopies([copy('A')])).toBe('1 backup');
  expect(countedCopies([copy('A')], 1)).toBe('1 copy');
});

test('a path is looked for by its words that have a slash: the others would be compared with names', () => {
  expect(searchOf('Shop%3A nightly/backup_2026_my db.dump.zst')).toBe('nightly/backup_2026_my');
  expect(searchOf(`${'x'.repeat(300)}/backup`).length).toBe(200);
});

test('a backup is restored from a copy that is there and not damaged, if there is one', () => {
  const damaged = copy('A', 'present', 'altered');
  expect(restorable([copy('C', 'missing'), damaged, copy('B', 'present', 'whole')])?.destination.id).toBe('B');
  expect(restorable([copy('C', 'missing'), damaged])).toBe(damaged);
  expect(restorable([copy('C', 'missing'), copy('D', 'unconfirmed')])?.destination.id).toBe('D');
  expect(restorable([copy('C', 'missing'), copy('E', 'deleting')])).toBeUndefined();
  expect(['present', 'unconfirmed', 'missing', 'deleting'].filter((state) => isThere(copy('A', state)))).toEqual([
    'present',
    'unconfirmed',
  ]);
});

test('of several backups, the newest that is not damaged is restored', () => {
  const [newest, older] = [copy('A', 'present', 'altered', 'new'), copy('B', 'present', '', 'old')];
  expect(newestRestorable(grouped([newest, copy('B', 'missing', '', 'new'), older]))).toBe(older);
  expect(newestRestorable(grouped([newest]))).toBe(newest);
  expect(newestRestorable(grouped([copy('A', 'deleting')]))).toBeUndefined();
});

test('copies are one backup at several destinations', () => {
  const all = grouped([
    copy('A', 'present', '', 'new'),
    copy('A', 'present', '', 'old'),
    copy('B', 'present', '', 'new'),
  ]);
  expect(all.map(({ id, copies }) => [id, copies.length])).toEqual([
    ['new', 2],
    ['old', 1],
  ]);
});
