import { live } from '../../api/live.svelte';
import type { Run } from '../../api/client';
import { soon } from '../../parts/soon';
import { isOver } from '../runs/words';

/** Many changes at once are one reload; in milliseconds. */
const SETTLE = 500;

/**
 * Calls `act` after what is stored may have changed: a run has ended, or a scan, a verification, a deletion. `concerns` says
 * which runs do. To be called while a component is made.
 */
export function whenChanged(act: () => unknown, concerns: (run: Run) => boolean = isOver) {
  const [ask, giveUp] = soon(act, SETTLE);
  $effect(() => giveUp);
  $effect(() =>
    live.listen((event) => {
      if (event.type === 'missed' || event.type === 'stored') ask();
      if (event.type === 'state' && concerns(event.run)) ask();
    }),
  );
}
