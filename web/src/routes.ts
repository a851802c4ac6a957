/** Every address. Pages come when they are opened, or the browser has nothing else to do. */
import { createRouter } from 'sv-router';
import NotFound from './shell/NotFound.svelte';

const destinations = () => import('./pages/destinations/Destinations.svelte');

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
  '/backups/restore': () => import('./pages/backups/Restore.svelte'),
  '/sources': () => import('./pages/sources/Sources.svelte'),
  '/sources/new': () => import('./pages/sources/SourceEditor.svelte'),
  '/sources/:id': () => import('./pages/sources/SourceEditor.svelte'),
  '/destinations': destinations,
  // The dialog over the list, with an address of its own; `new` is one that is not there yet.
  '/destinations/:id': destinations,
  '/profiles': () => import('./pages/profiles/Profiles.svelte'),
  '/people': () => import('./pages/people/People.svelte'),
  '/settings': () => import('./pages/settings/Settings.svelte'),
  '*': NotFound,
};

export const { p, navigate, route } = createRouter(pages);

/** The page's parts that are not here yet, each as a function that fetches it. */
export const partsOfPages = Object.values(pages).filter((page) => page !== NotFound) as (() => Promise<unknown>)[];
