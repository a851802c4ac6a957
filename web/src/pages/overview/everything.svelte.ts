/** What the first page shows, kept for as long as this window is open. */
import { api, ask } from '../../api/client';
import { keepFresh } from '../../api/fresh';
import { Resource } from '../../api/resource.svelte';
import { shown } from '../../shell/window.svelte';

export const DAYS = 30;
export const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone;

async function read() {
  const overview = await ask(api.GET('/api/overview', { params: { query: { days: DAYS, timeZone } } }));
  shown.problems = overview.headline.problems;
  return overview;
}

export const everything = new Resource(read);

/** Keeps it fresh for as long as somebody looks; gives how to stop that. */
export function look(): () => void {
  // What was read for an earlier look may be old.
  if (everything.value) void everything.reload();
  return keepFresh(() => everything.reload(), { clock: true });
}
