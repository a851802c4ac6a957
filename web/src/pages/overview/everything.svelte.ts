/** What the first page shows, kept for as long as this window is open. */
import { api, ask } from '../../api/client';
import { live } from '../../api/live.svelte';
import { Resource } from '../../api/resource.svelte';
import { soon } from '../../parts/soon';
import { shown } from '../../shell/window.svelte';

export const DAYS = 30;
export const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone;
/** Whoever starts many runs at once gets one new look, not many; in milliseconds. */
const SETTLE = 500;

async function read() {
  const overview = await ask(api.GET('/api/overview', { params: { query: { days: DAYS, timeZone } } }));
  shown.problems = overview.headline.problems;
  return overview;
}

export const everything = new Resource(read);

const [reloadSoon, stopReload] = soon(() => everything.reload(), SETTLE);

/** Keeps it fresh for as long as somebody looks; gives how to stop that. */
export function look(): () => void {
  const stop = live.listen((event) => {
    if (event.type === 'missed' || event.type === 'state') reloadSoon();
  });
  // What was read for an earlier look may be old.
  if (everything.value) void everything.reload();
  return () => {
    stop();
    stopReload();
  };
}
