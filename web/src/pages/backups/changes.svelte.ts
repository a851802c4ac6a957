import { type Freshness, keepFresh } from '../../api/fresh';
import { isOver } from '../runs/words';

/**
 * Calls `act` after what is stored may have changed: a run has ended, or a scan, a verification, a deletion. To be called while
 * a component is made.
 */
export function whenChanged(act: () => unknown, freshness: Freshness = {}) {
  $effect(() => keepFresh(act, { concerns: isOver, ...freshness }));
}
