/** What can be done with copies of backups, on whichever page they are. */
import { toast } from 'svelte-sonner';
import { api, ask, failureOf } from '../../api/client';
import { live } from '../../api/live.svelte';
import { counted } from '../../format';
import { attempt } from '../../parts/attempt';
import type { Look } from './state';
import type { Stored } from './stored';

type Named = Pick<Stored, 'destination' | 'path'>;
const LOOKS = {
  whole: { mark: 'succeeded', word: 'Verified' },
  unknown: { mark: 'unknown', word: 'Cannot be verified' },
  altered: { mark: 'failed', word: 'Verification failed' },
} as const;

export class Acts {
  /** What this page is finding out, or could not find out, by the copies' keys; it comes before what the server knows. */
  looks = $state.raw<Record<string, Look>>({});
  busy = $state(false);

  #look(key: string, look: Look | undefined) {
    const { [key]: _, ...others } = this.looks;
    this.looks = look ? { ...others, [key]: look } : others;
  }

  /** Verifies copies one after another, and tells how that ended. `deep`: reads, decrypts and decompresses all of each. */
  async verify(copies: Stored[], deep = false) {
    this.busy = true;
    const count = { whole: 0, unknown: 0, altered: 0, failed: 0 };
    let last = '';
    for (const { key } of copies) this.#look(key, { mark: 'queued', word: 'Waiting' });
    for (const { key, destination, path } of copies) {
      this.#look(key, { mark: 'running', word: 'Verifying' });
      try {
        const params = { path: { id: destination.id } };
        const found = await ask(api.POST('/api/destinations/{id}/backups/verify', { params, body: { path, deep } }));
        count[found.result] += 1;
        last = found.detail;
        this.#look(key, { ...LOOKS[found.result], detail: found.detail });
      } catch (error) {
        count.failed += 1;
        last = failureOf(error).message;
        this.#look(key, { mark: 'failed', word: 'Not verified', detail: last });
      }
    }
    this.busy = false;
    this.#tell(copies.length, count, last);
    live.announceStored();
  }

  #tell(all: number, count: { whole: number; unknown: number; altered: number; failed: number }, last: string) {
    const description = all === 1 ? last : undefined;
    const words = [
      count.altered > 0 && `${count.altered} failed verification`,
      count.failed > 0 && `${count.failed} could not be read`,
      count.unknown > 0 && `${count.unknown} cannot be verified`,
      count.whole > 0 && `${count.whole} verified`,
    ].filter(Boolean);
    const title = `${counted(all, 'backup')}: ${words.join(', ')}`;
    if (count.altered + count.failed > 0) toast.error(title, { description });
    else if (count.unknown > 0) toast.warning(title, { description });
    else toast.success(`${counted(all, 'backup')} verified`);
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

/** Deletes copies one after another, until one fails; `ondelete` hears of each that is gone. */
export async function remove(copies: Stored[], ondelete: (copy: Stored) => unknown) {
  let done = 0;
  try {
    for (const copy of copies) {
      const params = { path: { id: copy.destination.id }, query: { path: copy.path } };
      await ask(api.DELETE('/api/destinations/{id}/backups', { params }));
      ondelete(copy);
      done += 1;
    }
  } finally {
    if (done > 0) toast.success(`${counted(done, 'backup')} deleted`);
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
