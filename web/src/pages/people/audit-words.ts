/** An entry of the audit log in words: who did what, to which thing. */
import type { AuditEntry } from '../../api/client';

export interface Told {
  /** "Started a backup of", "Deleted job". */
  words: string;
  /** What it was done to, by its name if that is known. */
  thing?: string;
  /** Where that thing is. */
  href?: string;
}

/** Names of things, by id. */
export type Names = Map<string, string>;

interface Pattern {
  method: string;
  path: RegExp;
  words: string;
  /** Where the thing is, by its id. Absent if the words say it all. */
  href?: (id: string) => string | undefined;
}

const job = (id: string) => `/jobs/${id}`;
const source = (id: string) => `/sources/${id}`;
const destination = (id: string) => `/destinations/${id}`;
const run = (id: string) => `/runs/${id}`;
const policy = (id: string) => `/retention/${id}`;
const channel = (id: string) => `/notifications/channels/${id}`;
const rule = (id: string) => `/notifications/rules/${id}`;
/** Of what was removed, only the name is left. */
const gone = () => undefined;

const on = (method: string, path: string, words: string, href?: Pattern['href']): Pattern => ({
  method,
  path: new RegExp(`^/api/${path.replaceAll('{id}', '([^/?]+)')}(?:\\?.*)?$`),
  words,
  href,
});

const PATTERNS: Pattern[] = [
  on('POST', 'setup', 'Created the first administrator'),
  on('POST', 'session', 'Signed in'),
  on('DELETE', 'session', 'Signed out'),
  on('PUT', 'session/password', 'Changed their password'),
  on('DELETE', 'sessions/{id}', 'Ended a session'),
  on('POST', 'jobs', 'Created a job'),
  on('PUT', 'jobs/{id}', 'Changed job', job),
  on('PATCH', 'jobs/{id}', 'Changed job', job),
  on('DELETE', 'jobs/{id}', 'Removed job', gone),
  on('POST', 'jobs/{id}/run', 'Started a backup of', job),
  on('POST', 'jobs/{id}/acknowledge', 'Acknowledged a warning of', job),
  on('POST', 'jobs/{id}/retention', 'Confirmed deletions of', job),
  on('POST', 'runs/{id}/cancel', 'Cancelled a run', run),
  on('POST', 'sources', 'Created a source'),
  on('PUT', 'sources/{id}', 'Changed source', source),
  on('PATCH', 'sources/{id}', 'Changed source', source),
  on('DELETE', 'sources/{id}', 'Removed source', gone),
  on('POST', 'sources/{id}/test', 'Tested source', source),
  on('GET', 'sources/{id}/databases', 'Listed the databases of', source),
  on('POST', 'destinations', 'Created a destination'),
  on('PUT', 'destinations/{id}', 'Changed destination', destination),
  on('PATCH', 'destinations/{id}', 'Changed destination', destination),
  on('DELETE', 'destinations/{id}', 'Removed destination', gone),
  on('POST', 'destinations/{id}/test', 'Tested destination', destination),
  on('POST', 'destinations/{id}/check', 'Checked destination', destination),
  on('POST', 'destinations/{id}/scan', 'Started a scan of', destination),
  on('DELETE', 'destinations/{id}/scan', 'Stopped the scan of', destination),
  on('POST', 'destinations/{id}/folders', 'Created a folder at', destination),
  on('POST', 'destinations/{id}/authorization(?:/.*)?', 'Authorized', destination),
  on('DELETE', 'destinations/{id}/backups', 'Deleted backups at', destination),
  on('POST', 'destinations/{id}/backups/lock', 'Locked a backup at', destination),
  on('POST', 'destinations/{id}/backups/unlock', 'Unlocked a backup at', destination),
  on('POST', 'destinations/{id}/backups/note', 'Changed a note on a backup at', destination),
  on('POST', 'destinations/{id}/backups/verify', 'Verified a backup at', destination),
  on('POST', 'copies', 'Copied a backup'),
  on('POST', 'restores', 'Started a restore'),
  on('POST', 'restores/preview', 'Reviewed a restore'),
  on('POST', 'restores/put-in-place', 'Put a restored database in place'),
  on('POST', 'downloads', 'Started a download'),
  on('GET', 'downloads/{id}', 'Downloaded a backup'),
  on('POST', 'profiles', 'Created an encryption profile'),
  on('PATCH', 'profiles/{id}', 'Changed encryption profile', () => '/profiles'),
  on('DELETE', 'profiles/{id}', 'Removed encryption profile', gone),
  on('POST', 'profiles/{id}/export', 'Exported the private key of', () => '/profiles'),
  on('POST', 'retention-policies', 'Created a retention policy'),
  on('PUT', 'retention-policies/{id}', 'Changed retention policy', policy),
  on('PATCH', 'retention-policies/{id}', 'Changed retention policy', policy),
  on('DELETE', 'retention-policies/{id}', 'Removed retention policy', gone),
  on('POST', 'channels', 'Created a channel'),
  on('PUT', 'channels/{id}', 'Changed channel', channel),
  on('PATCH', 'channels/{id}', 'Changed channel', channel),
  on('DELETE', 'channels/{id}', 'Removed channel', gone),
  on('POST', 'channels/{id}/test', 'Tested channel', channel),
  on('POST', 'notification-rules', 'Created a notification rule'),
  on('PUT', 'notification-rules/{id}', 'Changed notification rule', rule),
  on('PATCH', 'notification-rules/{id}', 'Changed notification rule', rule),
  on('DELETE', 'notification-rules/{id}', 'Removed notification rule', gone),
  on('POST', 'users', 'Created a user'),
  on('PATCH', 'users/{id}', 'Changed user', () => '/people?tab=users'),
  on('DELETE', 'users/{id}', 'Removed user', gone),
  on('POST', 'tokens', 'Created an API token'),
  on('DELETE', 'tokens/{id}', 'Revoked an API token'),
  on('POST', 'configuration', 'Applied a configuration'),
  on('POST', 'configuration/plan', 'Planned a configuration'),
  on('GET', 'adapters/{id}/callback', 'Completed an authorization'),
];

/** `objectName`: what the thing was called at that time, from servers that keep it. */
type Entry = Pick<AuditEntry, 'action' | 'object'> & { objectName?: string };

/** What an entry says; what no pattern knows stays as the server has it. */
export function toldOf({ action, object, objectName }: Entry, names: Names): Told {
  for (const { method, path, words, href } of PATTERNS) {
    const match = method === action ? path.exec(object) : null;
    if (!match) continue;
    const id = match[1];
    if (!id || !href) return { words };
    const name = names.get(id);
    // What has been removed has no page any more; runs have no names.
    return { words, thing: objectName || name || id.slice(0, 8), href: name || href === run ? href(id) : undefined };
  }
  return { words: action, thing: object };
}

/** "anna", "anna (token “laptop”)", "Not signed in". */
export function actorInWords(actor: string): string {
  if (actor === 'nobody') return 'Not signed in';
  const token = /^token (.+) of (\S+)$/.exec(actor);
  if (token) return `${token[2]} (token “${token[1]}”)`;
  return actor.replace(/^user /, '');
}

export const isDenied = ({ outcome }: Pick<AuditEntry, 'outcome'>): boolean => outcome !== 'done';
