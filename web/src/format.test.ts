import { expect, test } from 'vitest';
import { ago, counted, duration, size } from './format';

test.each([
  [0, '0 B'],
  [1023, '1,023 B'],
  [1024, '1.0 KiB'],
  [1536, '1.5 KiB'],
  [1024 ** 2 - 1, '1.0 MiB'],
  [2 * 1024 ** 4, '2.0 TiB'],
])('%d bytes are %s', (bytes, words) => expect(size(bytes)).toBe(words));

test('times are relative to now, and never "0 s ago"', () => {
  const now = new Date('2026-05-12T03:00:00Z');
  const before = (seconds: number) => ago(new Date(now.getTime() - seconds * 1000), now);
  expect(before(3)).toBe('now');
  expect(before(45)).toBe('45s ago');
  expect(before(3 * 3600 + 1800)).toBe('3h ago');
  expect(before(86_400 * 40)).toBe('1mo ago');
  expect(before(-3600)).toBe('in 1h');
});

test('durations have two units at most', () => {
  expect([400, 42_000, 200_000, 7_500_000].map(duration)).toEqual(['0.4 s', '42 s', '3 min 20 s', '2 h 5 min']);
});

test('nouns agree with their numbers', () => {
  expect(counted(1, 'job')).toBe('1 job');
  expect(counted(1200, 'job')).toBe('1,200 jobs');
});
