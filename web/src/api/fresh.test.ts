import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { CLOCK_INTERVAL, keepFresh } from './fresh';
import type { LiveEvent } from './live.svelte';

const { listeners } = vi.hoisted(() => ({ listeners: new Set<(event: LiveEvent) => void>() }));
vi.mock('./live.svelte', () => ({
  live: {
    listen: (listener: (event: LiveEvent) => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  },
}));
const tell = (event: unknown) => listeners.forEach((listener) => listener(event as LiveEvent));
const page = Object.assign(new EventTarget(), { hidden: false });
const act = vi.fn();

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('document', page);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  act.mockReset();
  page.hidden = false;
});

test('what the server stores, runs and misses is one call; what does not concern it is none', () => {
  const stop = keepFresh(act, { concerns: ({ id }) => id === 'mine' });
  tell({ type: 'state', run: { id: 'other' } });
  tell({ type: 'log', runId: 'mine' });
  vi.advanceTimersByTime(1000);
  expect(act).not.toHaveBeenCalled();
  tell({ type: 'state', run: { id: 'mine' } });
  tell({ type: 'stored' });
  tell({ type: 'missed' });
  vi.advanceTimersByTime(1000);
  expect(act).toHaveBeenCalledTimes(1);
  tell({ type: 'stored' });
  stop();
  vi.advanceTimersByTime(CLOCK_INTERVAL);
  expect([act.mock.calls.length, listeners.size]).toEqual([1, 0]);
});

test('what the clock changes is read every minute; of a hidden page, once it is seen again', () => {
  const stop = keepFresh(act, { clock: true });
  vi.advanceTimersByTime(2 * CLOCK_INTERVAL);
  expect(act).toHaveBeenCalledTimes(2);
  page.hidden = true;
  vi.advanceTimersByTime(5 * CLOCK_INTERVAL);
  expect(act).toHaveBeenCalledTimes(2);
  page.hidden = false;
  page.dispatchEvent(new Event('visibilitychange'));
  page.dispatchEvent(new Event('visibilitychange'));
  expect(act).toHaveBeenCalledTimes(3);
  stop();
  vi.advanceTimersByTime(CLOCK_INTERVAL);
  expect(act).toHaveBeenCalledTimes(3);
});
