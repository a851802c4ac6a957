/** The address of a database's page; without a name, the one database of a source that is a file. */
export const databasePage = (source: string, name?: string | null): string =>
  `/databases?${new URLSearchParams({ source, ...(name && { name }) }).toString()}`;

/** The form of a new job that backs it up. */
export const newJobFor = (sourceId: string, name?: string): string =>
  `/jobs/new?${new URLSearchParams({ source: sourceId, ...(name && { database: name }) }).toString()}`;
