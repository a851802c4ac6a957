import { expect, test } from 'vitest';
import { ticks } from './ticks';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

test.each([
  [38.1 * MIB, [0, 20 * MIB, 40 * MIB]],
  [2 * GIB, [0, 1 * GIB, 2 * GIB]],
  [1.2 * GIB, [0, 0.5 * GIB, 1 * GIB, 1.5 * GIB]],
  [900 * MIB, [0, 512 * MIB, 1024 * MIB]],
  [100, [0, 50, 100]],
  [0, [0]],
])('an axis to %d bytes has round binary marks', (most, marks) => {
  expect(ticks(most)).toEqual(marks);
});

test('every value lies below the last mark, and few marks do', () => {
  for (let most = 1; most < 1024 ** 5; most *= 1.37) {
    const marks = ticks(most);
    expect(marks.at(-1)).toBeGreaterThanOrEqual(most);
    expect(marks.length).toBeLessThanOrEqual(5);
  }
});
