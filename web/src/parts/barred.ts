/** Why something cannot be done, where more than one place says it. */
import { session } from '../session.svelte';

/** The role that an act needs, where the user lacks it. */
export const unlessMay = (what: 'operate' | 'configure' | 'administer'): string | undefined => {
  if (session.may(what)) return undefined;
  return what === 'operate' ? 'Only operators and administrators can do this.' : 'Only administrators can do this.';
};

export const RUNNING = 'The job is running. Wait until it finishes, or cancel the run.';
export const SCANNING = 'A scan is running.';
