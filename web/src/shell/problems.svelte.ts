/** How many problems there are, for the window's title and icon on every page. */
import { api, ask } from '../api/client';
import { keepFresh } from '../api/fresh';
import { Resource } from '../api/resource.svelte';
import { shown } from './window.svelte';

/** The title may be so old; in milliseconds. */
const SETTLE = 5000;

const problems = new Resource(async () => {
  const { headline } = await ask(api.GET('/api/problems'));
  shown.problems = headline.problems;
  return headline;
});

keepFresh(() => problems.reload(), { settle: SETTLE, clock: true });
