/** What single keys do, wherever nothing is being typed. */
export const PLACES = [
  { key: 'o', href: '/', words: 'Overview' },
  { key: 'j', href: '/jobs', words: 'Jobs' },
  { key: 'l', href: '/timeline', words: 'Timeline' },
  { key: 'r', href: '/runs', words: 'Runs' },
  { key: 'b', href: '/backups', words: 'Backups' },
  { key: 's', href: '/sources', words: 'Sources' },
  { key: 'd', href: '/destinations', words: 'Destinations' },
  { key: 't', href: '/retention', words: 'Retention' },
  { key: 'n', href: '/notifications', words: 'Notifications' },
  { key: 'e', href: '/profiles', words: 'Encryption' },
  { key: 'u', href: '/people', words: 'Users & access' },
  { key: ',', href: '/settings', words: 'Settings' },
  { key: 'w', href: '/wall', words: 'Wall mode' },
] as const;

export const KEYS = [
  { keys: ['Ctrl', 'K'], words: 'Search or run anything' },
  { keys: ['/'], words: 'Search this page' },
  { keys: ['T'], words: 'Times as dates, or back' },
  { keys: ['?'], words: 'This list' },
] as const;

export type Wish = { to: string } | 'palette' | 'search' | 'times' | 'help';

/** In milliseconds; the second key of two that belong together comes within. */
const TOGETHER = 1200;

type Stroke = Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'altKey'>;

/** Reads keys one after another: `g`, then a letter, goes somewhere. */
export class Keys {
  #going = Number.NEGATIVE_INFINITY;

  /** What a key asks for; `typing` if it goes into a field, `now` in milliseconds. */
  read({ key, ctrlKey, metaKey, altKey }: Stroke, typing: boolean, now: number): Wish | undefined {
    if ((ctrlKey || metaKey) && !altKey && key.toLowerCase() === 'k') return 'palette';
    if (typing || ctrlKey || metaKey || altKey) return undefined;
    const went = now - this.#going < TOGETHER;
    this.#going = Number.NEGATIVE_INFINITY;
    if (went) {
      const place = PLACES.find((one) => one.key === key);
      return place && { to: place.href };
    }
    if (key === 'g') this.#going = now;
    const single: Record<string, Wish> = { '/': 'search', t: 'times', '?': 'help' };
    return single[key];
  }
}

/** Whether keys are text here, or belong to a dialog. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof Element)) return false;
  return target.closest('input, textarea, select, [contenteditable], dialog, [role=menu]') !== null;
}
