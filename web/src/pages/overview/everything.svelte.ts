/** What the first page knows, kept for as long as this window is open: its answer is also in the window's title and icon. */
import { api, ask } from '../../api/client';
import { live } from '../../api/live.svelte';
import { Resource } from '../../api/resource.svelte';
import { allAdapters } from '../../parts/adapters';
import { allDestinations, allJobs, allProfiles, allSources } from '../../parts/lists';
import { shown } from '../../shell/window.svelte';
import { standing } from './standing';

const DAYS = 30;
const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone;
/** Whoever starts many runs at once gets one new look, not many; in milliseconds. */
const SETTLE = 500;
/** As long as nobody looks at the page, its answer may be so old. */
const UNSEEN = 30_000;

/** Whether a backup has ever been restored. */
async function wasRestored(): Promise<boolean> {
  const state = ['succeeded' as const, 'succeededWithWarnings' as const, 'partial' as const];
  const query = { kind: 'restore' as const, state, limit: 1 };
  return (await ask(api.GET('/api/runs', { params: { query } }))).items.length > 0;
}

async function read() {
  const [overview, jobs, sources, destinations, profiles, adapters, restored] = await Promise.all([
    ask(api.GET('/api/overview', { params: { query: { days: DAYS, timeZone } } })),
    allJobs(),
    allSources(),
    allDestinations(),
    allProfiles(),
    allAdapters(),
    wasRestored(),
  ]);
  const names = new Map([...sources, ...destinations].map(({ id, name }) => [id, name]));
  // Access that somebody else has to grant is access to somebody else's storage.
  const kinds = new Set(adapters.destinations.filter(({ authorization }) => authorization).map(({ id }) => id));
  const foreign = new Set(destinations.filter(({ settings }) => kinds.has(settings.type)).map(({ id }) => id));
  const all = { overview, jobs, sources, destinations, profiles, foreign, restored, names };
  const { causes } = standing(all, new Date());
  shown.problems = causes.filter(({ level }) => level === 'bad').length;
  return all;
}

export const everything = new Resource(read);

let timer: ReturnType<typeof setTimeout> | undefined;
let due = Number.POSITIVE_INFINITY;
let seen = false;

function reloadWithin(delay: number) {
  const at = Date.now() + delay;
  // What is due sooner stays due.
  if (at >= due) return;
  clearTimeout(timer);
  due = at;
  timer = setTimeout(() => {
    due = Number.POSITIVE_INFINITY;
    void everything.reload();
  }, delay);
}

live.listen((event) => {
  if (event.type === 'missed' || event.type === 'state') reloadWithin(seen ? SETTLE : UNSEEN);
});

/** Keeps it fresh for as long as somebody looks; gives how to stop that. */
export function look(): () => void {
  seen = true;
  // What was read for the title may be old.
  if (everything.value) reloadWithin(0);
  return () => (seen = false);
}
