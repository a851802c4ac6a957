import { PAGE, type Failure, failureOf } from '../../api/client';
import { PAGE_LENGTH } from '../../parts/table';
import { backupsAfter, type Query, type Stored, summaryOf } from './stored';
import { CHIPS } from './state';

/** The most that is loaded to sort it here, or to keep a page far down. */
export const MOST = 2000;

/** Backups that are loaded page by page, and how many there are. */
export class BackupList {
  backups = $state.raw<Stored[]>();
  /** How many the query lets through, and their bytes. */
  summary = $state.raw<{ copies: number; size: number }>();
  /** The same per chip, by its id; `''` is without any. */
  counts = $state.raw<Record<string, number>>({});
  failure = $state.raw<Failure>();
  loading = $state(false);
  /** Where the next page starts. */
  #cursor = $state.raw<string>();
  #query: Query = {};
  #wanted = PAGE_LENGTH;
  #turn = 0;

  /** Whether there is nothing more to load. */
  get complete() {
    return this.backups !== undefined && this.#cursor === undefined;
  }

  /** Loads the first `wanted` of the list anew; what was loaded stays until then. */
  async load(query: Query, wanted = PAGE_LENGTH) {
    const turn = ++this.#turn;
    this.#query = query;
    this.#wanted = wanted;
    this.loading = true;
    if (!this.backups) this.failure = undefined;
    // It can take longer than the list.
    const summary = this.#summarize(turn);
    try {
      const first = await this.#upTo(turn, Math.min(wanted, MOST));
      if (first && turn === this.#turn) this.#set(first.backups, first.cursor);
    } catch (error) {
      if (turn === this.#turn) this.failure = failureOf(error);
    } finally {
      if (turn === this.#turn) this.loading = false;
    }
    await summary;
    if (turn === this.#turn && !this.failure) await this.#count(turn);
  }

  /** The same again, as far as it is loaded. */
  reload = () => this.load(this.#query, Math.max(this.#wanted, this.backups?.length ?? 0));

  /** Loads the next page, if there is one; after a failure, only once the list was loaded anew. */
  async more() {
    if (this.loading || this.failure || this.#cursor === undefined || !this.backups) return;
    const turn = this.#turn;
    this.loading = true;
    try {
      const part = await backupsAfter(this.#query, this.#cursor, PAGE_LENGTH);
      if (turn === this.#turn) this.#set([...this.backups, ...part.backups], part.cursor);
    } catch (error) {
      if (turn === this.#turn) this.failure = failureOf(error);
    } finally {
      if (turn === this.#turn) this.loading = false;
    }
  }

  async #upTo(turn: number, wanted: number) {
    let backups: Stored[] = [];
    let cursor: string | undefined;
    do {
      const part = await backupsAfter(this.#query, cursor, wanted > PAGE_LENGTH ? PAGE : PAGE_LENGTH);
      if (turn !== this.#turn) return undefined;
      backups = [...backups, ...part.backups];
      cursor = part.cursor;
    } while (cursor !== undefined && backups.length < wanted);
    return { backups, cursor };
  }

  #set(backups: Stored[], cursor: string | undefined) {
    this.backups = backups;
    this.#cursor = cursor;
    this.failure = undefined;
  }

  async #summarize(turn: number) {
    // The list itself says what went wrong.
    const summary = await summaryOf(this.#query).catch(() => undefined);
    if (turn === this.#turn) this.summary = summary;
  }

  /** The numbers of the chips: after the list, since the server counts them one by one. */
  async #count(turn: number) {
    const { status, ...query } = this.#query;
    const numbers = await Promise.all(
      [undefined, ...CHIPS.map(({ id }) => id)].map((id) =>
        id === status && this.summary ? this.summary : summaryOf({ ...query, status: id }).catch(() => undefined),
      ),
    );
    if (turn !== this.#turn) return;
    const found = ['', ...CHIPS.map(({ id }) => id)].flatMap((id, index): [string, number][] => {
      const number = numbers[index];
      return number ? [[id, number.copies]] : [];
    });
    this.counts = Object.fromEntries(found);
  }
}
