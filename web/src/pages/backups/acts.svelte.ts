/** What can be done with copies of backups, on whichever page they are. */
import { toast } from 'svelte-sonner';
import { api, ask, failureOf } from '../../api/client';
import { live } from '../../api/live.svelte';
import { attempt } from '../../parts/attempt';
import { knownOf, type Look, lookNow, type OwnLook, RESULTS } from './state';
import { countedCopies, type Stored } from './stored';

type Named = Pick<Stored, 'destination' | 'path'>;

export class Acts {
  /** What this page is finding out, or could not find out, by the copies' keys. */
  #looks = $state.raw<Record<string, OwnLook>>({});
  busy = $state(false);

  /** How a copy stands. */
  lookOf = (copy: Stored): Look => lookNow(copy, this.#looks[copy.key]);

  #set(copy: Stored, look: Look) {
    this.#looks = { ...this.#looks, [copy.key]: { ...look, known: knownOf(copy) } };
  }

  /** Verifies copies one after another, and tells how that ended. `deep`: reads, decrypts and decompresses all of each. */
  async verify(copies: Stored[], deep = false) {
    this.busy = true;
    const count = { whole: 0, unknown: 0, altered: 0, failed: 0 };
    let last = '';
    for (const copy of copies) this.#set(copy, { mark: 'queued', word: 'Waiting' });
    for (const copy of copies) {
      const { destination, path } = copy;
      this.#set(copy, { mark: 'running', word: 'Verifying' });
      try {
        const params = { path: { id: destination.id } };
        const found = await ask(api.POST('/api/destinations/{id}/backups/verify', { params, body: { path, deep } }));
        count[found.result] += 1;
        last = found.detail;
        this.#set(copy, { ...RESULTS[found.result], detail: found.detail });
      } catch (error) {
        count.failed += 1;
        last = failureOf(error).message;
        this.#set(copy, { mark: 'failed', word: 'Not verified', detail: last });
      }
    }
    this.busy = false;
    this.#tell(copies, count, last);
    live.announceStored();
  }

  #tell(copies: Stored[], count: { whole: number; unknown: number; altered: number; failed: number }, last: string) {
    const description = copies.length === 1 ? last : undefined;
    const words = [
      count.altered > 0 && `${count.altered} failed verification`,
      count.failed > 0 && `${count.failed} could not be read`,
      count.unknown > 0 && `${count.unknown} cannot be verified`,
      count.whole > 0 && `${count.whole} verified`,
    ].filter(Boolean);
    const title = `${countedCopies(copies)}: ${words.join(', ')}`;
    if (count.altered + count.failed > 0) toast.error(title, { description });
    else if (count.unknown > 0) toast.warning(title, { description });
    else toast.success(`${countedCopies(copies)} verified`);
  }

  /** Locks a copy against deletion, or unlocks it. */
  async lock({ destination, path, locked }: Stored) {
    await attempt(async () => {
      const params = { path: { id: destination.id } };
      if (locked) await ask(api.POST('/api/destinations/{id}/backups/unlock', { params, body: { path } }));
      else await ask(api.POST('/api/destinations/{id}/backups/lock', { params, body: { path } }));
      toast.success(locked ? 'Backup unlocked' : 'Backup locked. dbackup will not delete it.');
    });
    live.announceStored();
  }
}

export async function download({ destination, path }: Named, raw: boolean) {
  await attempt(async () => {
    const body = { destinationId: destination.id, path, raw };
    const { url } = await ask(api.POST('/api/downloads', { body }));
    location.assign(url);
  });
}

/** Deletes copies one after another, until one fails; `ondelete` hears of each that is gone. `others` of the same backups stay. */
export async function remove(copies: Stored[], others: number, ondelete: (copy: Stored) => unknown) {
  const done: Stored[] = [];
  try {
    for (const copy of copies) {
      const params = { path: { id: copy.destination.id }, query: { path: copy.path } };
      await ask(api.DELETE('/api/destinations/{id}/backups', { params }));
      ondelete(copy);
      done.push(copy);
    }
  } finally {
    if (done.length > 0) toast.success(`${countedCopies(done, others)} deleted`);
    live.announceStored();
  }
}

export const note = ({ destination, path }: Named, text: string) =>
  ask(
    api.POST('/api/destinations/{id}/backups/note', {
      params: { path: { id: destination.id } },
      body: { path, note: text.trim() || null },
    }),
  );
