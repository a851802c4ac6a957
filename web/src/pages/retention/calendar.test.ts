import { expect, test } from 'vitest';
import { databasesOf, dayInWords, dayNamer, monthsOf, type Planned } from './calendar';

const at = (time: string, keep = true, database?: string): Planned => ({
  path: `shop/backup_${time}.db.zst`,
  time,
  size: 1000,
  keep,
  reasons: [],
  ...(database === undefined ? {} : { database }),
});

test('a backup is on the day that the job’s time zone has, as the rules count it', () => {
  expect(dayNamer('Europe/Zurich')('2026-03-31T22:30:00Z')).toBe('2026-04-01');
  expect(dayNamer('UTC')('2026-03-31T22:30:00Z')).toBe('2026-03-31');
  expect(dayNamer('No/Such')('2026-03-31T22:30:00Z')).toBe('2026-03-31');
});

test('months begin on their weekday, and have every day', () => {
  const [april, march, ...more] = monthsOf(
    [at('2026-04-01T03:00:00Z'), at('2026-03-30T03:00:00Z', false), at('2026-03-30T02:00:00Z')],
    'UTC',
  );
  expect(more).toEqual([]);
  expect(april).toMatchObject({ id: '2026-04', offset: 2, kept: 1, going: 0 });
  expect(april?.days).toHaveLength(30);
  expect(march).toMatchObject({ id: '2026-03', offset: 6, kept: 1, going: 1 });
  expect(march?.days[29]).toMatchObject({ date: '2026-03-30', kept: 1, going: 1 });
  expect(march?.days[28]?.backups).toEqual([]);
});

test('months without backups are left out', () => {
  const months = monthsOf([at('2026-04-01T03:00:00Z'), at('2024-02-29T03:00:00Z')], 'UTC');
  expect(months.map(({ id }) => id)).toEqual(['2026-04', '2024-02']);
  expect(months[1]?.days).toHaveLength(29);
});

test('a day is said with what stays and what goes', () => {
  expect(dayInWords({ kept: 1, going: 2 })).toBe('1 stays, 2 go');
  expect(dayInWords({ kept: 0, going: 1 })).toBe('1 goes');
  expect(dayInWords({ kept: 0, going: 0 })).toBe('no backups');
});

test('databases are named once', () => {
  const items = [
    at('2026-04-01T03:00:00Z', true, 'shop'),
    at('2026-04-01T03:00:00Z', true, 'blog'),
    at('2026-04-02T03:00:00Z', true, 'shop'),
  ];
  expect(databasesOf({ items, kept: 3, deletions: 0, deletedSize: 0, digest: '' })).toEqual(['blog', 'shop']);
});
