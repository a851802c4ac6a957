import { createSubscriber } from 'svelte/reactivity';

const EVERY = 10_000;
const subscribe = createSubscriber((update) => {
  const timer = setInterval(update, EVERY);
  return () => clearInterval(timer);
});

/** The time, for what is shown relative to it; shown again every ten seconds. */
export function now(): Date {
  subscribe();
  return new Date();
}
