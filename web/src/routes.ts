/** Every address. Pages come when they are opened, or the browser has nothing else to do. */
import { createRouter } from 'sv-router';
import NotFound from './shell/NotFound.svelte';

const pages = {
  '/': () => import('./pages/overview/Overview.svelte'),
  '/first-backup': () => import('./pages/first-backup/FirstBackup.svelte'),
  '/jobs': () => import('./pages/jobs/Jobs.svelte'),
  '/jobs/new': () => import('./pages/jobs/JobEditor.svelte'),
  '/jobs/:id': () => import('./pages/jobs/Job.svelte'),
  '/jobs/:id/edit': () => import('./pages/jobs/JobEditor.svelte'),
  '/runs': () => import('./pages/runs/Runs.svelte'),
  '/runs/:id': () => import('./pages/runs/Run.svelte'),
  '/backups': () => import('./pages/backups/Backups.svelte'),
  '/backups/view': () => import('./pages/backups/Backup.svelte'),
  '/backups/restore': () => import('./pages/backups/Restore.svelte'),
  '/sources': () => import('./pages/sources/Sources.svelte'),
  '/sources/new': () => import('./pages/sources/SourceEditor.svelte'),
  '/sources/:id': () => import('./pages/sources/Source.svelte'),
  '/sources/:id/edit': () => import('./pages/sources/SourceEditor.svelte'),
  '/databases': () => import('./pages/databases/Database.svelte'),
  '/destinations': () => import('./pages/destinations/Destinations.svelte'),
  '/destinations/new': () => import('./pages/destinations/DestinationEditor.svelte'),
  '/destinations/:id': () => import('./pages/destinations/Destination.svelte'),
  '/destinations/:id/edit': () => import('./pages/destinations/DestinationEditor.svelte'),
  '/retention': () => import('./pages/retention/Retention.svelte'),
  '/retention/new': () => import('./pages/retention/PolicyEditor.svelte'),
  '/retention/plan': () => import('./pages/retention/PlanPage.svelte'),
  '/retention/:id': () => import('./pages/retention/PolicyEditor.svelte'),
  '/notifications': () => import('./pages/notifications/Notifications.svelte'),
  '/notifications/channels/new': () => import('./pages/notifications/ChannelEditor.svelte'),
  '/notifications/channels/:id': () => import('./pages/notifications/ChannelEditor.svelte'),
  '/notifications/rules/new': () => import('./pages/notifications/RuleEditor.svelte'),
  '/notifications/rules/:id': () => import('./pages/notifications/RuleEditor.svelte'),
  '/profiles': () => import('./pages/profiles/Profiles.svelte'),
  '/people': () => import('./pages/people/People.svelte'),
  '/timeline': () => import('./pages/timeline/Timeline.svelte'),
  '/wall': () => import('./pages/wall/Wall.svelte'),
  '/help/:page': () => import('./pages/help/Help.svelte'),
  '/settings': () => import('./pages/settings/Settings.svelte'),
  '*': NotFound,
};

export const { p, navigate, route } = createRouter(pages);

/** The page's parts that are not here yet, each as a function that fetches it. */
export const partsOfPages = Object.values(pages).filter((page) => page !== NotFound) as (() => Promise<unknown>)[];

/** Goes to an address that may have a query, which `navigate` does not take for one. */
export function goTo(href: string, options: { replace?: boolean } = {}) {
  const { pathname, searchParams } = new URL(href, location.origin);
  return navigate(pathname as '/', { ...options, search: Object.fromEntries(searchParams) });
}
