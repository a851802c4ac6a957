/** The page of the guide that explains a page of the program; by the beginning of its address, the longest first. */
const HELP: [string, string][] = [
  ['/first-backup', 'getting-started'],
  ['/jobs', 'getting-started'],
  ['/timeline', 'getting-started'],
  ['/runs', 'troubleshooting'],
  ['/backups', 'restore'],
  ['/sources', 'getting-started'],
  ['/destinations', 'getting-started'],
  ['/retention', 'retention'],
  ['/notifications', 'notifications'],
  ['/profiles', 'security'],
  ['/people', 'security'],
  ['/settings', 'getting-started'],
];

/** The guide's page for an address; absent where there is nothing to explain. */
export const helpFor = (pathname: string): string | undefined =>
  HELP.find(([start]) => pathname === start || pathname.startsWith(`${start}/`))?.[1];
