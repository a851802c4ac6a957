/** When what was read from the server is read again. */
import { soon } from '../parts/soon';
import type { Run } from './client';
import { live } from './live.svelte';

/** What only the clock changes, such as a run that is missed, is at most this old; in milliseconds. */
export const CLOCK_INTERVAL = 60_000;

export interface Freshness {
  /** Changes within this time are one call; in milliseconds. */
  settle?: number;
  /** Which changes of runs concern it. */
  concerns?: (run: Run) => boolean;
  /** Also calls every minute while the page is visible: for what depends on the time. */
  clock?: boolean;
}

/** Calls `act` after what the server knows may have changed. Returns how to stop that. */
export function keepFresh(act: () => unknown, { settle = 500, concerns = () => true, clock }: Freshness = {}) {
  const [ask, giveUp] = soon(act, settle);
  const stopListening = live.listen((event) => {
    if (event.type === 'missed' || event.type === 'stored') ask();
    if (event.type === 'state' && concerns(event.run)) ask();
  });
  const stopClock = clock ? everyMinute(act) : undefined;
  return () => {
    stopListening();
    stopClock?.();
    giveUp();
  };
}

/** A hidden page is not refreshed; one that comes back is, at once. */
function everyMinute(act: () => unknown) {
  let isDue = false;
  const refresh = () => {
    isDue = document.hidden;
    if (!isDue) act();
  };
  const timer = setInterval(refresh, CLOCK_INTERVAL);
  const comeBack = () => isDue && refresh();
  document.addEventListener('visibilitychange', comeBack);
  return () => {
    clearInterval(timer);
    document.removeEventListener('visibilitychange', comeBack);
  };
}
