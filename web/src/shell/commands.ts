/** Everything that can be opened or done by its name. */
import type { Destination, Job, Profile, Source } from '../api/client';
import { databasePage } from '../pages/databases/address';
import { needsAuthorization } from '../pages/destinations/needs';
import { databasesOf as resultsOf } from '../pages/runs/words';
import { matches } from '../parts/search';
import { PLACES } from './keys';

export interface Command {
  /** What it is: `Job`, `Source`, `Action`, `Page`. */
  kind: string;
  words: string;
  /** Where it leads, or what it does. */
  href?: string;
  act?: () => unknown;
}

interface Named {
  id: string;
  name: string;
}

export interface Things {
  jobs: Job[];
  sources: Source[];
  destinations: Destination[];
  profiles: Profile[];
  channels: Named[];
  /** Notification rules. */
  rules: Named[];
  /** The kinds of sources that are one database each: these are found as sources. */
  files: Set<string>;
}

interface Rights {
  operate: boolean;
  configure: boolean;
  administer: boolean;
}

const go = (kind: string, words: string, href: string): Command => ({ kind, words, href });

/** The databases of a job, as far as it names them or has backed them up; not the one that is its source. */
function namesIn(job: Job, sources: Map<string, Source>, files: Set<string>): string[] {
  const source = sources.get(job.sourceId);
  if (!source || files.has(source.settings.type)) return [];
  return job.databases ?? resultsOf(job.lastRun ?? undefined).map(({ database }) => database);
}

const restore = (job: string, database?: string) =>
  `/backups/restore?${new URLSearchParams({ job, ...(database && { database }) }).toString()}`;

/** Every command for these things; `run` begins a job's run. */
export function commandsFor(things: Things, may: Rights, run: (job: Job) => unknown): Command[] {
  const { jobs, sources, destinations, profiles, channels, rules, files } = things;
  const byId = new Map(sources.map((source) => [source.id, source]));
  const databasesOf = (job: Job) => namesIn(job, byId, files);
  const pages = new Map(
    jobs.flatMap((job) => databasesOf(job).map((name) => [databasePage(job.sourceId, name), name] as const)),
  );
  const adding = may.configure
    ? [
        go('Action', 'Add job', '/jobs/new'),
        go('Action', 'Add source', '/sources/new'),
        go('Action', 'Add destination', '/destinations/new'),
        ...destinations
          .filter(needsAuthorization)
          .map(({ id, name }) => go('Action', `Authorize ${name}`, `/destinations/${id}`)),
      ]
    : [];
  const telling = may.administer
    ? [
        go('Action', 'Add channel', '/notifications/channels/new'),
        go('Action', 'Add notification rule', '/notifications/rules/new'),
      ]
    : [];
  const doing = may.operate
    ? jobs.flatMap((job): Command[] => [
        { kind: 'Action', words: `Back up ${job.name} now`, act: () => run(job) },
        go('Action', `Restore ${job.name}…`, restore(job.name)),
        ...databasesOf(job).map((name) => go('Action', `Restore ${name} (${job.name})…`, restore(job.name, name))),
      ])
    : [];
  return [
    ...PLACES.map(({ href, words }) => go('Page', words, href)),
    ...adding,
    ...telling,
    ...jobs.map(({ id, name }) => go('Job', name, `/jobs/${id}`)),
    ...sources.map(({ id, name }) => go('Source', name, `/sources/${id}`)),
    ...[...pages].map(([href, name]) => go('Database', name, href)),
    ...destinations.map(({ id, name }) => go('Destination', name, `/destinations/${id}`)),
    ...profiles.map(({ name }) => go('Encryption', name, '/profiles')),
    ...channels.map(({ id, name }) => go('Channel', name, `/notifications/channels/${id}`)),
    ...rules.map(({ id, name }) => go('Notification rule', name, `/notifications/rules/${id}`)),
    go('Page', 'Sent messages', '/notifications?tab=messages'),
    ...jobs.map(({ id, name }) => go('Runs', `Runs of ${name}`, `/runs?job=${id}`)),
    ...doing,
    ...jobs.map(({ name }) => go('Backups', `Backups of ${name}`, `/backups?${new URLSearchParams({ job: name })}`)),
  ];
}

const ID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;
const MOST = 50;

/** What fits a search, the nearest first: whole names, beginnings, then any place. A run is found by its id. */
export function found(commands: Command[], search: string): Command[] {
  const wanted = search.trim().toLocaleLowerCase();
  if (ID.test(wanted)) return [go('Run', wanted, `/runs/${wanted}`)];
  const nearness = ({ words }: Command) => {
    const text = words.toLocaleLowerCase();
    return text === wanted ? 0 : text.startsWith(wanted) ? 1 : 2;
  };
  return commands
    .filter(({ kind, words }) => matches(wanted, kind, words))
    .map((command, order) => ({ command, order, near: nearness(command) }))
    .sort((one, other) => one.near - other.near || one.order - other.order)
    .slice(0, MOST)
    .map(({ command }) => command);
}
