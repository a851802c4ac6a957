/**
 * What happens on the server, in one stream for all tabs of a browser: HTTP/1.1 has six connections per host, and eight tabs
 * with a stream each would leave none to ask with. The tab that holds the lock reads, and tells the others.
 */
import { session } from '../session.svelte';
import { api, type Run } from './client';

export type LiveEvent =
  | { type: 'state'; run: Run }
  | {
      type: 'progress';
      runId: string;
      news: Pick<Run, 'dumpedBytes' | 'storedBytes' | 'sentBytes' | 'destinations' | 'result'>;
    }
  | { type: 'log'; runId: string }
  /** A tab has changed, or has found changed, what is known of backups: by a scan, a verification, a deletion, a lock. */
  | { type: 'stored' }
  /** Something may have been missed: read again what is shown. */
  | { type: 'missed' };

type Message = LiveEvent | { type: 'connected'; connected: boolean };

const NAME = 'dbackup-events';
/** A stream that the server has refused is opened again after so long, in milliseconds. */
const REOPEN = 5000;

class Live {
  /** Whether the stream is open; unknown, and taken for open, until it is tried. */
  connected = $state(true);
  #listeners = new Set<(event: LiveEvent) => void>();
  #others = new BroadcastChannel(NAME);
  #started = false;
  #source: EventSource | undefined;
  #interrupted = false;

  start() {
    if (this.#started) return;
    this.#started = true;
    this.#others.onmessage = ({ data }) => this.#hear(data as Message);
    // Absent where the page is neither on HTTPS nor on this machine; then a hidden tab gives its connection up.
    if (navigator.locks) {
      void navigator.locks.request(NAME, () => {
        this.#open();
        return new Promise(() => undefined);
      });
    } else {
      const follow = () => (document.hidden ? this.#close() : this.#open());
      document.addEventListener('visibilitychange', follow);
      follow();
    }
  }

  /** Calls `listener` with every event; gives how to stop that. */
  listen(listener: (event: LiveEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tells all tabs that what is known of backups has changed: the stream is about runs only. */
  announceStored() {
    const message: Message = { type: 'stored' };
    this.#others.postMessage(message);
    this.#hear(message);
  }

  #open() {
    this.#close();
    const source = new EventSource('/api/events');
    this.#source = source;
    source.onopen = () => {
      this.#tell({ type: 'connected', connected: true });
      if (this.#interrupted) this.#tell({ type: 'missed' });
      this.#interrupted = false;
    };
    source.onerror = () => {
      this.#interrupted = true;
      this.#tell({ type: 'connected', connected: false });
      if (source.readyState === EventSource.CLOSED) this.#reopen(source);
    };
    const pass = (name: string, event: (data: never) => LiveEvent) =>
      source.addEventListener(name, ({ data }) => this.#tell(event(JSON.parse(data) as never)));
    pass('state', (run: Run) => ({ type: 'state', run }));
    pass('progress', ({ runId, ...news }: { runId: string } & Run) => ({ type: 'progress', runId, news }));
    pass('log', ({ runId }: { runId: string }) => ({ type: 'log', runId }));
    pass('missed', () => ({ type: 'missed' }));
  }

  /** Opens it again; not before somebody has signed in again, if that is why it was refused, which only an answer tells. */
  #reopen(source: EventSource) {
    setTimeout(async () => {
      if (this.#source !== source) return;
      if (!session.ended) await api.GET('/api/session').catch(() => undefined);
      if (this.#source !== source) return;
      if (session.ended) this.#reopen(source);
      else this.#open();
    }, REOPEN);
  }

  #close() {
    if (this.#source) this.#interrupted = true;
    this.#source?.close();
    this.#source = undefined;
  }

  #tell(message: Message) {
    if (navigator.locks) this.#others.postMessage(message);
    this.#hear(message);
  }

  #hear(message: Message) {
    if (message.type === 'connected') this.connected = message.connected;
    else for (const listener of this.#listeners) listener(message);
  }
}

export const live = new Live();
