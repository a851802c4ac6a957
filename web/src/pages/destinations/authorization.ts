import { toast } from 'svelte-sonner';
import { type Destination, sentence } from '../../api/client';
import { scan } from '../backups/stored';

/**
 * How a consent page and the page that opened it find each other again. The provider may have cut `window.opener` and hidden whether
 * the pop-up is closed (Cross-Origin-Opener-Policy), so the page that it sends the browser back to says on a channel what
 * came of it.
 */
export interface Outcome {
  destinationId: string;
  status: 'authorized' | 'failed' | 'account_changed';
  /** Why not, or what else there is to know, in the server's words. Never from an address: anybody could have written that. */
  reason?: string;
  /** To ask the server for its words with, and to confirm another account. */
  state?: string;
}

type Message = { type: 'outcome'; outcome: Outcome } | { type: 'heard'; destinationId: string };

const channel = new BroadcastChannel('authorization');
/** In milliseconds; a page that waits answers at once. */
const TIME_TO_HEAR = 500;

/** What came of it, if this page is the one that the provider sent the browser back to. */
export function outcomeOf(destinationId: string, search: URLSearchParams): Outcome | undefined {
  const status = search.get('authorization');
  if (status !== 'authorized' && status !== 'failed' && status !== 'account_changed') return undefined;
  const text = (name: string) => search.get(name) ?? undefined;
  return { destinationId, status, state: text('state') };
}

/** Tells whoever waits for it; whether somebody does. */
export function tell(outcome: Outcome): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (heard: boolean) => {
      clearTimeout(timer);
      channel.removeEventListener('message', listen);
      resolve(heard);
    };
    const listen = ({ data }: MessageEvent<Message>) =>
      data.type === 'heard' && data.destinationId === outcome.destinationId && end(true);
    const timer = setTimeout(() => end(false), TIME_TO_HEAR);
    channel.addEventListener('message', listen);
    channel.postMessage({ type: 'outcome', outcome } satisfies Message);
  });
}

/** Waits for what comes of a destination's authorization; gives how to stop that. */
export function waitFor(destinationId: string, then: (outcome: Outcome) => void): () => void {
  const listen = ({ data }: MessageEvent<Message>) => {
    if (data.type !== 'outcome' || data.outcome.destinationId !== destinationId) return;
    channel.postMessage({ type: 'heard', destinationId } satisfies Message);
    then(data.outcome);
  };
  channel.addEventListener('message', listen);
  return () => channel.removeEventListener('message', listen);
}

const RETURN = 'authorization-return';

/** Leaves this page for the provider's, where no pop-up may open; the user comes back to `page`. */
export function leaveFor(url: string, page = location.pathname) {
  sessionStorage.setItem(RETURN, page);
  location.assign(url);
}

/** The page that was left for the provider's, once. */
export function pageLeft(): string | undefined {
  const path = sessionStorage.getItem(RETURN) ?? undefined;
  sessionStorage.removeItem(RETURN);
  return path;
}

/**
 * Tells that it can be used now, where that is so, and has it scanned: what was said of its backups is from before. Anything else
 * is told beside the status.
 */
export function celebrate({ id, name, authorization }: Destination, notice?: string | null) {
  if (authorization.status !== 'authorized') return;
  // A scan that cannot start is reported where scans are shown.
  void scan(id, 0).catch(() => undefined);
  const but = notice ?? authorization.reason;
  if (but) toast.warning(`${name} is authorized`, { description: sentence(but), duration: 30_000 });
  else toast.success(`${name} is authorized`);
}

export { needsAuthorization } from './needs';
