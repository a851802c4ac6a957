import { api, ask, type Backup, type Destination, failureOf, type Failure } from '../../api/client';

/** A backup with where it is. */
export interface Stored extends Backup {
  destination: Destination;
  /** Over all destinations. */
  key: string;
}

export interface Everything {
  backups: Stored[];
  /** Destinations that could not be read, and why. */
  failures: { destination: Destination; failure: Failure }[];
  /** Folders that could not be read: backups in them are missing here. */
  unreadable: { destination: Destination; path: string; error: string }[];
}

const PAGE = 200;

/** Reads the backups of every destination; one that fails keeps nothing of the others back. */
export async function allBackups(destinations: Destination[]): Promise<Everything> {
  const outcome = await Promise.all(
    destinations.map(async (destination) => {
      try {
        return { destination, read: await backupsOf(destination) };
      } catch (error) {
        return { destination, failure: failureOf(error) };
      }
    }),
  );
  return {
    backups: outcome.flatMap(({ read }) => read?.backups ?? []),
    unreadable: outcome.flatMap(({ destination, read }) =>
      (read?.unreadable ?? []).map((folder) => ({ destination, ...folder })),
    ),
    failures: outcome.flatMap(({ destination, failure }) => (failure ? [{ destination, failure }] : [])),
  };
}

async function backupsOf(destination: Destination) {
  const backups: Stored[] = [];
  let unreadable: { path: string; error: string }[] = [];
  let cursor: string | undefined;
  do {
    const params = { path: { id: destination.id }, query: { cursor, limit: PAGE } };
    const page = await ask(api.GET('/api/destinations/{id}/backups', { params }));
    for (const backup of page.items) backups.push({ ...backup, destination, key: `${destination.id} ${backup.path}` });
    unreadable = page.unreadable ?? [];
    cursor = page.nextCursor ?? undefined;
  } while (cursor);
  return { backups, unreadable };
}
