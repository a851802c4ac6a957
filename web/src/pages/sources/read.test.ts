import { expect, test } from 'vitest';
import type { Job } from '../../api/client';
import type { Stored } from '../backups/stored';
import { databaseRows } from './read';

const run = (state: string, databases: { database: string; path?: string; error?: string }[]) => ({
  state,
  result: {
    databases: databases.map(({ database, path, error }) => ({
      database,
      copies: [{ destination: 'NAS', path, error }],
    })),
  },
});
const job = (name: string, more: object) =>
  ({ id: name, name, databases: null, enabled: true, ...more }) as unknown as Job;
const copy = (database: string, time: string, more: object = {}) =>
  ({ database, time, backupId: `${database} ${time}`, state: 'present', ...more }) as unknown as Stored;

test('a database stands as its last run left it, and one that no job backs up says so', () => {
  const all = {
    isFile: false,
    jobs: [
      job('nightly', {
        databases: ['shop', 'blog'],
        lastRun: run('partial', [
          { database: 'shop', path: 'a' },
          { database: 'blog', error: 'no room' },
        ]),
      }),
    ],
    copies: [
      copy('shop', '2026-11-26T03:00:00Z'),
      copy('shop', '2026-11-25T03:00:00Z'),
      copy('blog', '2026-11-26T03:00:00Z', { state: 'missing' }),
      copy('old', '2026-01-01T03:00:00Z'),
    ],
  };
  const rows = databaseRows(all, ['shop', 'blog', 'forgotten']);
  expect(rows.map(({ name, state }) => [name, state])).toEqual([
    ['blog', 'failed'],
    ['forgotten', 'none'],
    ['old', 'gone'],
    ['shop', 'good'],
  ]);
  expect(rows.map(({ newest }) => newest?.time)).toEqual([
    undefined,
    undefined,
    '2026-01-01T03:00:00Z',
    '2026-11-26T03:00:00Z',
  ]);
});

test('where the source cannot be asked, nothing is said to be gone', () => {
  const rows = databaseRows(
    { isFile: false, jobs: [job('all', {})], copies: [copy('shop', '2026-11-26T03:00:00Z')] },
    undefined,
  );
  expect(rows.map(({ name, state }) => [name, state])).toEqual([['shop', 'good']]);
});

test('a file is its one database', () => {
  const failed = job('nightly', { lastRun: { state: 'failed' } });
  const rows = databaseRows({ isFile: true, jobs: [failed], copies: [] }, undefined);
  expect(rows.map(({ name, state }) => [name, state])).toEqual([[undefined, 'failed']]);
  expect(databaseRows({ isFile: true, jobs: [], copies: [] }, undefined)[0]?.state).toBe('none');
});
