import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { soon } from './soon';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('what is asked for many times is done once, and again when it is asked for after that', () => {
  const act = vi.fn();
  const [ask, giveUp] = soon(act, 1000);
  for (let times = 0; times < 5; times += 1) {
    ask();
    vi.advanceTimersByTime(150);
  }
  expect(act).toHaveBeenCalledTimes(0);
  vi.advanceTimersByTime(1000);
  expect(act).toHaveBeenCalledTimes(1);
  ask();
  giveUp();
  vi.advanceTimersByTime(2000);
  expect(act).toHaveBeenCalledTimes(1);
  ask();
  vi.advanceTimersByTime(1000);
  expect(act).toHaveBeenCalledTimes(2);
});
