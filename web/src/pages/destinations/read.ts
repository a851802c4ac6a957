/** What the page about a destination shows. One function for each part that comes on its own. */
import { api, ask } from '../../api/client';
import type { components } from '../../api/schema';
import { allAdapters } from '../../parts/adapters';
import { allJobs } from '../../parts/lists';
import { backupsAfter } from '../backups/stored';

/** The newest copies that the page lists. */
const NEWEST = 8;

export async function readDestination(id: string) {
  const [destination, jobs, adapters, newest] = await Promise.all([
    ask(api.GET('/api/destinations/{id}', { params: { path: { id } } })),
    allJobs({ destinationId: id }),
    allAdapters(),
    backupsAfter({ destination: id }, undefined, NEWEST),
  ]);
  return {
    destination,
    adapter: adapters.destinations.find((one) => one.id === destination.settings.type),
    jobs,
    newest: newest.backups,
  };
}

export type Usage = components['schemas']['DestinationUsage'];

/** How full it was, day by day, when it will be full, and what takes the space. */
export const readUsage = (id: string): Promise<Usage> =>
  ask(api.GET('/api/destinations/{id}/usage', { params: { path: { id } } }));
