/** A run in a toast: that it has started, and in the same place how it ended. */
import { toast } from 'svelte-sonner';
import { api, ask, type Run } from '../../api/client';
import { live } from '../../api/live.svelte';
import { navigate, route } from '../../routes';
import { show as notify } from './notify.svelte';
import { isOver, told } from './words';

/** A failure stays until it is closed. */
const STAYS = Number.POSITIVE_INFINITY;

function show(run: Run) {
  const { level, title, why } = told(run);
  const here = route.pathname === `/runs/${run.id}`;
  toast[level](title, {
    id: `run-${run.id}`,
    // The run's own page says it already.
    ...(why && !here ? { description: why } : { description: undefined }),
    duration: level === 'error' && !here ? STAYS : 6000,
    action: here
      ? undefined
      : { label: 'View run', onClick: () => void navigate('/runs/:id', { params: { id: run.id } }) },
  });
}

/** Tells that a run has started, and what came of it once it has ended, wherever the user is by then. */
export function tell(begun: Run) {
  let ended = false;
  const hear = (run: Run) => {
    if (ended || !isOver(run)) return;
    ended = true;
    stop();
    show(run);
    // Whoever has gone to another window sees no toast.
    if (document.hidden) notify(run);
  };
  const look = () => ask(api.GET('/api/runs/{id}', { params: { path: { id: begun.id } } })).then(hear, () => undefined);
  const stop = live.listen((event) => {
    if (event.type === 'state' && event.run.id === begun.id) hear(event.run);
    else if (event.type === 'missed') void look();
  });
  show(begun);
  // It can have ended before anybody listened.
  void look();
}
