import { expect, test } from 'vitest';
import type { Run } from '../../api/client';
import { comparison, copiesOf, inWords, pointsOf, unusual } from './history';

const MIB = 1024 * 1024;
/** A good run of a day, so many MiB, so many seconds. */
function run(day: number, size: number, seconds: number, state: Run['state'] = 'succeeded'): Run {
  const start = Date.UTC(2026, 0, day, 3);
  return {
    id: String(day),
    state,
    startedAt: new Date(start).toISOString(),
    finishedAt: new Date(start + seconds * 1000).toISOString(),
    dumpedBytes: size * 4 * MIB,
    storedBytes: size * MIB,
  } as Run;
}
const steady = (days: number) => Array.from({ length: days }, (_, day) => run(day + 1, 100 + (day % 3), 60));

test('only good runs count, the oldest first', () => {
  const points = pointsOf([run(3, 1, 1), run(2, 1, 1, 'failed'), run(1, 1, 1, 'succeededWithWarnings')]);
  expect(points.map((point) => point.run.id)).toEqual(['1', '3']);
});

test('a backup that is suddenly 40% smaller is unusual, and so is one that takes three times as long', () => {
  const points = pointsOf([...steady(10), run(11, 61, 180)]);
  expect(unusual(points, 'size').slice(0, 10)).toEqual(Array(10).fill(undefined));
  expect(inWords(unusual(points, 'size')[10] as never)).toBe('40% below usual');
  expect(inWords(unusual(points, 'duration')[10] as never)).toBe('3 times the usual');
  expect(unusual(points, 'rate')[10]?.off).toBeLessThan(-0.5);
});

test('steady growth, noise and small amounts are not unusual', () => {
  const growing = pointsOf(Array.from({ length: 40 }, (_, day) => run(day + 1, 100 * 1.01 ** day, 60)));
  expect(unusual(growing, 'size').every((one) => one === undefined)).toBe(true);
  const noisy = pointsOf([50, 100, 150, 80, 120, 60, 140, 170].map((size, day) => run(day + 1, size, 60)));
  expect(unusual(noisy, 'size').every((one) => one === undefined)).toBe(true);
  const short = pointsOf([...Array.from({ length: 9 }, (_, day) => run(day + 1, 100, 1)), run(10, 100, 4)]);
  expect(unusual(short, 'duration').at(-1)).toBeUndefined();
});

test('too few runs say nothing', () => {
  expect(unusual(pointsOf([...steady(4), run(5, 10, 600)]), 'size').at(-1)).toBeUndefined();
  expect(unusual(pointsOf([...steady(5), run(6, 10, 600)]), 'size').at(-1)).toBeDefined();
});

test('with too few runs before, nothing is said to be usual', () => {
  const words = (days: number) => comparison(pointsOf(steady(days)), 'size').words;
  expect([1, 5, 6].map(words)).toEqual(['too few runs to compare', 'too few runs to compare', 'as usual']);
  const smaller = comparison(pointsOf([...steady(10), run(11, 61, 60)]), 'size');
  expect(smaller).toEqual({ words: '40% below usual', unusual: true });
});

test('copies count where the job has its destinations now', () => {
  const copies = (...ids: string[]) => ids.map((id) => ({ destinationId: id, destination: id, path: 'p' }));
  const ended = (...databases: object[][]) =>
    ({
      ...run(1, 1, 1),
      kind: 'backup',
      result: { databases: databases.map((copies) => ({ copies })) },
    }) as unknown as Run;
  expect(copiesOf([ended(copies('a', 'b'))], ['a', 'b'])).toBe(2);
  expect(copiesOf([ended(copies('a', 'b'))], ['a'])).toBe(1);
  expect(copiesOf([ended(copies('a', 'b'))], ['c'])).toBe(0);
  expect(copiesOf([ended(copies('a', 'b'), copies('a'))], ['a', 'b'])).toBe(1);
  const unnamed = [
    { destination: 'NAS', path: 'p' },
    { destination: 'Offsite', path: 'p' },
  ];
  expect(copiesOf([ended(unnamed)], ['a'])).toBe(1);
  expect(copiesOf([{ ...ended(copies('a')), state: 'running' }], ['a'])).toBeUndefined();
});
