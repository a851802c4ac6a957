/** Whole lists, as pages need them. */
import { api, ask, everything, PAGE } from '../api/client';

/** More jobs than this are not listed. */
const MOST_JOBS = 10_000;
/** Each comes with its newest run: so many are about 100 kB. */
const JOBS_PER_PAGE = 100;

/** All jobs, or those of one source or destination. */
export const allJobs = (of: { sourceId?: string; destinationId?: string } = {}) =>
  everything(
    (cursor) => ask(api.GET('/api/jobs', { params: { query: { ...of, cursor, limit: JOBS_PER_PAGE } } })),
    MOST_JOBS,
  );
export const allSources = () =>
  everything((cursor) => ask(api.GET('/api/sources', { params: { query: { cursor, limit: PAGE } } })));
export const allDestinations = () =>
  everything((cursor) => ask(api.GET('/api/destinations', { params: { query: { cursor, limit: PAGE } } })));
export const allProfiles = () =>
  everything((cursor) => ask(api.GET('/api/profiles', { params: { query: { cursor, limit: PAGE } } })));

/** All of these lists, with an item in one of them that is new, or in place of what it was. */
export function taken<K extends string, A extends Record<K, { id: string }[]>>(all: A, kind: K, item: A[K][number]): A {
  const list: { id: string }[] = all[kind];
  const isKnown = list.some(({ id }) => id === item.id);
  return { ...all, [kind]: isKnown ? list.map((other) => (other.id === item.id ? item : other)) : [...list, item] };
}
