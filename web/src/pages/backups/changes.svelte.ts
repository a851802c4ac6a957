import { type Freshness, keepFresh } from '../../api/fresh';
import { isOver } from '../runs/words';

/**
 * Calls `act` after what is stored may have changed: a run has ended, or a scan, a verification, a deletion. `concerns` says
 * which runs do. To be called while a component is made.
 */
export function whenChanged(act: () => unknown, concerns: Freshness['concerns'] = isOver) {
  $effect(() => keepFresh(act, { concerns }));
}
