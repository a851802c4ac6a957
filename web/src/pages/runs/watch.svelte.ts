import { untrack } from 'svelte';
import { api, ask } from '../../api/client';
import { live } from '../../api/live.svelte';
import { Resource } from '../../api/resource.svelte';
import type { Run } from '../../api/client';

/** One run, kept as it is on the server. To be called while a component is made. */
export function watch(id: () => string): { readonly run: Resource<Run> } {
  // A derived text: whatever it is read from may change without it.
  const current = $derived(id());
  const run = $derived.by(() => {
    const path = { id: current };
    return untrack(() => new Resource(() => ask(api.GET('/api/runs/{id}', { params: { path } }))));
  });
  $effect(() =>
    live.listen((event) => {
      if (event.type === 'missed') void run.reload();
      else if (event.type === 'state' && event.run.id === current) run.value = event.run;
      else if (event.type === 'progress' && event.runId === current && run.value)
        run.value = { ...run.value, ...event.news };
    }),
  );
  return {
    get run() {
      return run;
    },
  };
}
