import { blockNavigation } from 'sv-router';
import type { Form } from './form.svelte';

const QUESTION = 'You have unsaved changes. Leave anyway?';

/** Whether a form may be left; asks if something was typed. */
export function mayLeave(form: Form): boolean {
  if (!form.touched || !confirm(QUESTION)) return !form.touched;
  form.settle();
  return true;
}

/** Asks before a page is left with an unsaved form on it, by a link or by a reload. To be called while a component is made. */
export function guard(form: Form) {
  $effect(() => blockNavigation({ beforeUnload: () => !form.touched, onNavigate: () => mayLeave(form) }));
}
