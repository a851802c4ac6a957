/** How a copy of a backup stands, as one mark and word. */
import type { BackupDetails } from '../../api/client';
import { absolute } from '../../format';
import type { Mark } from '../../parts/State.svelte';
import type { StatusName, Stored } from './stored';

export interface Look {
  mark: Mark;
  word: string;
  detail?: string;
}

/** What a list of copies is narrowed to by its chips. */
export const CHIPS: { id: StatusName; label: string; mark?: Mark }[] = [
  { id: 'altered', label: 'Verification failed', mark: 'failed' },
  { id: 'missing', label: 'Missing', mark: 'failed' },
  { id: 'noSidecar', label: 'No metadata file', mark: 'warning' },
  { id: 'unencrypted', label: 'Not encrypted', mark: 'warning' },
  { id: 'unverified', label: 'Not verified', mark: 'unknown' },
  { id: 'verified', label: 'Verified', mark: 'succeeded' },
];

/** What a verification can find. */
export const RESULTS: Record<'whole' | 'unknown' | 'altered', Look> = {
  whole: { mark: 'succeeded', word: 'Verified' },
  unknown: { mark: 'unknown', word: 'Cannot be verified' },
  altered: { mark: 'failed', word: 'Verification failed' },
};

/** Who verified a copy, as people say it: `user anna`, `run 0190…`. */
export const byWhom = (by: string): string => (by.startsWith('run ') ? 'a run' : by.replace(/^user /, ''));

export const HOW: Record<string, string> = {
  ownHash: "the destination's own checksum",
  readBack: 'reading it back',
  sizeAndTag: 'size and tag',
  deep: 'reading and decrypting it',
};

export function lookOf({ state, verified, sidecar, dueAt }: Stored): Look {
  const detail = verified ? `${absolute(verified.at)}, by ${byWhom(verified.by)}` : undefined;
  if (state === 'missing') {
    return {
      mark: 'failed',
      word: 'Missing',
      detail: 'The last scan did not find it. It may have been deleted or moved.',
    };
  }
  if (state === 'deleting') return { mark: 'running', word: 'Deleting' };
  if (verified?.result === 'altered') return { ...RESULTS.altered, detail };
  if (state === 'unconfirmed') {
    const why = 'Not seen since the destination was changed. The next scan looks for it.';
    return { mark: 'warning', word: 'Not confirmed', detail: why };
  }
  if (sidecar === 'absent') return { mark: 'warning', word: 'No metadata file' };
  if (sidecar === 'unreadable') return { mark: 'warning', word: 'Metadata unreadable' };
  if (dueAt) {
    const why = `Its retention policy may delete it from ${absolute(dueAt)}. Locking it keeps it.`;
    return { mark: 'queued', word: 'To be deleted', detail: why };
  }
  if (verified) return { ...RESULTS[verified.result], detail };
  return { mark: 'unknown', word: 'Not verified' };
}

/** What a page itself has found out of a copy, and what the server knew of it then. */
export interface OwnLook extends Look {
  known: string;
}

/** What the server knows of a copy, as far as a verification can change it. */
export const knownOf = ({ state, verified }: Stored): string => `${state} ${verified?.at ?? ''}`;

/** How a copy stands: as the page has found out itself, until the server knows something newer. */
export const lookNow = (copy: Stored, own: OwnLook | undefined): Look =>
  own && own.known === knownOf(copy) ? own : lookOf(copy);

/** A copy among others: by its destination, and what is the matter with it. */
export function markAt(copy: Stored): Look {
  const { mark, word, detail } = lookOf(copy);
  const isFine = mark === 'succeeded' || mark === 'unknown';
  const { name } = copy.destination;
  return { mark: mark === 'unknown' ? 'good' : mark, word: isFine ? name : `${name}: ${word.toLowerCase()}`, detail };
}

export const SIGNATURES: Record<NonNullable<BackupDetails['signature']>, string> = {
  thisServer: 'Signed by this server',
  unsigned: 'Not signed',
  wrong: 'Wrong: its metadata was changed',
  otherInstallation: 'Signed by another installation',
};
