import type { Scan } from '../../api/client';
import { scan, scans } from './stored';

/** How often the server is asked while a scan goes on. */
const ASK_INTERVAL = 2000;
/** A page that opens has no destination scanned more often, in seconds. */
const MAX_AGE = 60;

/** The scans of the destinations that are shown: each on its own, so that one that hangs holds nothing up. */
export class Scans {
  all = $state.raw<Scan[]>([]);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #seen = '';
  #onchange: () => void;

  constructor(onchange: () => void) {
    this.#onchange = onchange;
  }

  get running() {
    return this.all.some(({ state }) => state === 'running');
  }

  of = (id: string) => this.all.find(({ destinationId }) => destinationId === id);

  /** Has destinations scanned; those that were lately, only if `now`. */
  async start(ids: string[], now = false) {
    await Promise.allSettled(ids.map((id) => scan(id, now ? 0 : MAX_AGE)));
    await this.#look();
  }

  stop() {
    clearTimeout(this.#timer);
  }

  async #look() {
    clearTimeout(this.#timer);
    try {
      this.all = await scans();
      const seen = JSON.stringify(
        this.all.map(({ found, adopted, missing, state }) => [found, adopted, missing, state]),
      );
      if (this.#seen && seen !== this.#seen) this.#onchange();
      this.#seen = seen;
    } catch {
      // The list says that the server is away; this asks again.
    }
    if (this.running) this.#timer = setTimeout(() => void this.#look(), ASK_INTERVAL);
  }
}
