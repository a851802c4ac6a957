import { expect, test } from 'vitest';
import { limitOf, secondsOf } from './time-limit';

test.each([
  [3600, 1, 'hours'],
  [5400, 90, 'minutes'],
  [172_800, 2, 'days'],
  [129_600, 36, 'hours'],
  [90, 1.5, 'minutes'],
])('%i s are %d %s, and stay what they are', (seconds, value, unit) => {
  const limit = limitOf(seconds);
  expect(limit).toEqual({ value, unit });
  expect(secondsOf(limit.value, limit.unit)).toBe(seconds);
});

test('no limit stays none', () => {
  expect(limitOf(null)).toEqual({ value: null, unit: 'hours' });
  expect(secondsOf(null, 'days')).toBeNull();
});
