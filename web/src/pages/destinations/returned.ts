import { navigate } from '../../routes';
import { setParameter } from '../../parts/address';
import { arrived } from './arrived.svelte';
import { outcomeOf, pageLeft, tell } from './authorization';

/**
 * Takes what a provider has sent the browser back with, if it has: in a pop-up whose opener waits, that one is told; otherwise the
 * page that was left for the provider goes on with it. Returns whether there was anything.
 */
export function takeReturn(destinationId: string, search: URLSearchParams): boolean {
  const outcome = outcomeOf(destinationId, search);
  if (!outcome) return false;
  for (const name of ['authorization', 'state']) setParameter(name, '');
  if (!destinationId) return true;
  void tell(outcome).then(async (heard) => {
    if (heard) return window.close();
    const left = pageLeft();
    // What is asked about the outcome is asked on the page that stays.
    if (left && left !== location.pathname) await navigate(left as '/');
    arrived.outcome = outcome;
  });
  return true;
}
