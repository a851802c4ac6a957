import type { Outcome } from './authorization';

/** What the browser came back from a provider with, until the destination's page takes it. */
export const arrived = $state<{ outcome?: Outcome }>({});
