import { toast } from 'svelte-sonner';
import { failureOf } from '../api/client';

/** Does something that no form stands for; a failure is told in a toast. Returns whether it was done. */
export async function attempt(act: () => Promise<unknown>): Promise<boolean> {
  try {
    await act();
    return true;
  } catch (error) {
    toast.error(failureOf(error).message);
    return false;
  }
}
