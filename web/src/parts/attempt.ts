import { toast } from 'svelte-sonner';
import { failureOf } from '../api/client';

/** Does something that no form stands for; a failure is told in a toast. */
export async function attempt(act: () => Promise<unknown>) {
  try {
    await act();
  } catch (error) {
    toast.error(failureOf(error).message);
  }
}
