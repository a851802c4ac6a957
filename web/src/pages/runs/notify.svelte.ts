/** The browser's own notifications: a run that is watched tells its end while this window is open, seen or not. */
import { SvelteSet } from 'svelte/reactivity';
import type { Run } from '../../api/client';
import { live } from '../../api/live.svelte';
import { navigate } from '../../routes';
import { isOver, told } from './words';

/** Browsers have them on HTTPS and on this machine only. */
export const canNotify = (): boolean => 'Notification' in window && window.isSecureContext;

const watched = new SvelteSet<string>();
export const isWatched = (id: string): boolean => watched.has(id);

/** Asks for the permission, unless it was given. Returns whether there is one. */
export async function permitted(): Promise<boolean> {
  if (!canNotify()) return false;
  return Notification.permission === 'granted' || (await Notification.requestPermission()) === 'granted';
}

/** Shows that a run has ended. A click opens it. */
export function show(run: Run) {
  if (!canNotify() || Notification.permission !== 'granted') return;
  const { title, why } = told(run);
  // One per run, whichever tab tells it.
  const note = new Notification(title, { body: why, tag: `run-${run.id}`, icon: '/favicon.svg' });
  note.onclick = () => {
    window.focus();
    void navigate('/runs/:id', { params: { id: run.id } });
    note.close();
  };
}

/** Tells the end of a run, once the user has allowed it. Returns whether it will. */
export async function notifyAtEnd(id: string): Promise<boolean> {
  if (!(await permitted())) return false;
  watched.add(id);
  return true;
}

export const stopNotifying = (id: string) => watched.delete(id);

live.listen((event) => {
  if (event.type !== 'state' || !isOver(event.run) || !watched.delete(event.run.id)) return;
  show(event.run);
});
