/** The address of a database's page; without a name, the one database of a source that is a file. */
export const databasePage = (source: string, name?: string | null): string =>
  `/databases?${new URLSearchParams({ source, ...(name && { name }) }).toString()}`;
