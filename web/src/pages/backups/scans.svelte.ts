import type { Scan } from '../../api/client';
import { live } from '../../api/live.svelte';
import { scan, scans } from './stored';

/** How often the server is asked while a scan goes on, and otherwise; in milliseconds. */
const ASK_INTERVAL = 2000;
const IDLE_INTERVAL = 20_000;
/** A page that opens has no destination scanned more often, in seconds. */
const MAX_AGE = 60;

/** The scans of the destinations that are shown: each on its own, so that one that hangs holds nothing up. */
export class Scans {
  all = $state.raw<Scan[]>([]);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #seen = '';
  #stopped = false;

  get running() {
    return this.all.some(({ state }) => state === 'running');
  }

  of = (id: string) => this.all.find(({ destinationId }) => destinationId === id);

  /** Has destinations scanned; those that were lately, only if `now`. */
  async start(ids: string[], now = false) {
    await Promise.allSettled(ids.map((id) => scan(id, now ? 0 : MAX_AGE)));
    await this.look();
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** Reads how the scans are, and goes on doing so; what they have changed is told to all pages. */
  async look() {
    clearTimeout(this.#timer);
    if (!document.hidden) await this.#read();
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.look(), this.running ? ASK_INTERVAL : IDLE_INTERVAL);
  }

  async #read() {
    try {
      this.all = await scans();
      const seen = JSON.stringify(
        this.all.map(({ found, adopted, missing, state, completeAt }) => [found, adopted, missing, state, completeAt]),
      );
      if (this.#seen && seen !== this.#seen) live.announceStored();
      this.#seen = seen;
    } catch {
      // The list says that the server is away; this asks again.
    }
  }
}
