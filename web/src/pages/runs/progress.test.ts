import { expect, test } from 'vitest';
import type { Run } from '../../api/client';
import { type DestinationProgress, expected, position, words } from './progress';

const destination = (state: DestinationProgress['state'], acknowledgedBytes: number): DestinationProgress => ({
  id: 'd',
  name: 'Disk',
  acknowledgedBytes,
  state,
});

const run = (of: Partial<Run>): Run =>
  ({ kind: 'backup', dumpedBytes: 400, storedBytes: 200, sentBytes: 50, destinations: [], ...of }) as Run;

test('a backup is as far as its slowest destination, a restore as far as its target', () => {
  expect(position(run({}))).toBe(50);
  expect(position(run({ kind: 'restore' }))).toBe(400);
});

test('how much there will be comes from the last run, and from this one once all of it is dumped', () => {
  const before = { dumpedBytes: 600, storedBytes: 300 };
  expect(expected(run({}), before)).toBe(300);
  expect(expected(run({}), undefined)).toBeUndefined();
  expect(expected(run({ storedBytes: 301 }), before)).toBeUndefined();
  expect(expected(run({ kind: 'restore' }), before)).toBe(600);
  const staged = (stage: 'dumping' | 'proving') =>
    run({ result: { kind: 'backup', databases: [{ database: 'shop', stage, copies: [] }] } });
  expect(expected(staged('dumping'), undefined)).toBeUndefined();
  expect(expected(staged('proving'), before)).toBe(200);
});

test('a destination says its bytes and where its copy stands, or why there is none', () => {
  expect(words(destination('uploading', 2048))).toBe('2.0 KiB uploading');
  expect(words(destination('waiting', 0))).toBe('waiting');
  expect(words({ ...destination('failed', 2048), error: 'no room' })).toBe('failed: no room');
});
