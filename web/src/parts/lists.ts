/** Whole lists, as pages need them. */
import { api, ask, everything, PAGE } from '../api/client';

export const allJobs = () =>
  everything((cursor) => ask(api.GET('/api/jobs', { params: { query: { cursor, limit: PAGE } } })));
export const allSources = () =>
  everything((cursor) => ask(api.GET('/api/sources', { params: { query: { cursor, limit: PAGE } } })));
export const allDestinations = () =>
  everything((cursor) => ask(api.GET('/api/destinations', { params: { query: { cursor, limit: PAGE } } })));
export const allProfiles = () =>
  everything((cursor) => ask(api.GET('/api/profiles', { params: { query: { cursor, limit: PAGE } } })));
