/** The program's parts that the browser fetches when it needs them. */

/** In milliseconds: the first page and its data come first. */
const PRELOAD_DELAY = 2000;

/** What browsers say, in this order: Chromium, Firefox, Safari; and Vite, of a part's styles. */
const LOST = /dynamically imported module|importing a module script failed|unable to preload css/i;

export const isLostPart = (reason: unknown): boolean => reason instanceof Error && LOST.test(reason.message);

class Parts {
  /** Whether a part that somebody wanted could not be fetched: there is no network, or another version of the server. */
  lost = $state(false);

  /** Listens for parts that nobody else reports: the router waits for them in silence. Returns how to stop. */
  watch() {
    const hear = (event: PromiseRejectionEvent) => {
      if (isLostPart(event.reason)) this.lost = true;
    };
    window.addEventListener('unhandledrejection', hear);
    return () => window.removeEventListener('unhandledrejection', hear);
  }
}
export const parts = new Parts();

/** Fetches parts one by one when the browser is idle, so that every page opens without a network. Returns how to stop. */
export function preload(all: (() => Promise<unknown>)[]) {
  let stopped = false;
  // Safari has no idle callback.
  const idle = () =>
    new Promise((resolve) => ('requestIdleCallback' in window ? requestIdleCallback(resolve) : setTimeout(resolve)));
  const timer = setTimeout(async () => {
    performance.mark('preload-start');
    for (const part of all) {
      await idle();
      if (stopped) return;
      // It is fetched again, and missed, when it is wanted.
      await part().catch(() => undefined);
    }
    performance.mark('preload-end');
  }, PRELOAD_DELAY);
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}
