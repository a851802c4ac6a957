/** How many problems there are, for the window's title and icon on every page. */
import { api, ask } from '../api/client';
import { live } from '../api/live.svelte';
import { Resource } from '../api/resource.svelte';
import { soon } from '../parts/soon';
import { shown } from './window.svelte';

/** The title may be so old; in milliseconds. */
const SETTLE = 5000;

const problems = new Resource(async () => {
  const { headline } = await ask(api.GET('/api/problems'));
  shown.problems = headline.problems;
  return headline;
});

const [reloadSoon] = soon(() => problems.reload(), SETTLE);

live.listen((event) => {
  if (event.type === 'missed' || event.type === 'state') reloadSoon();
});
