import { type Failure, failureOf } from '../../api/client';
import { backupsAfter, type Query, type Stored, summaryOf } from './stored';

/** So many are loaded without anybody scrolling; then all of the list can be sorted here. */
const AT_ONCE = 2000;

/** Backups that are loaded page by page, and how many there are. */
export class BackupList {
  backups = $state.raw<Stored[]>();
  /** How many the query lets through, and their bytes. */
  summary = $state.raw<{ copies: number; size: number }>();
  failure = $state.raw<Failure>();
  loading = $state(false);
  /** Where the next page starts. */
  #cursor = $state.raw<string>();
  #query: Query = {};
  #turn = 0;

  get complete() {
    return this.backups !== undefined && this.#cursor === undefined;
  }

  /** Loads the list anew; what was loaded stays until then. */
  async load(query: Query) {
    const turn = ++this.#turn;
    this.#query = query;
    this.loading = true;
    if (!this.backups) this.failure = undefined;
    void this.#summarize(turn);
    try {
      let backups: Stored[] = [];
      let cursor: string | undefined;
      do {
        const part = await backupsAfter(query, cursor);
        if (turn !== this.#turn) return;
        backups = [...backups, ...part.backups];
        cursor = part.cursor;
        // The first page is shown at once.
        if (backups.length <= (this.backups?.length ?? 0) && cursor !== undefined) continue;
        this.#set(backups, cursor);
      } while (cursor !== undefined && backups.length < AT_ONCE);
      this.#set(backups, cursor);
    } catch (error) {
      if (turn === this.#turn) this.failure = failureOf(error);
    } finally {
      if (turn === this.#turn) this.loading = false;
    }
  }

  reload = () => this.load(this.#query);

  /** Loads the next page, if there is one; after a failure, only once the list was loaded anew. */
  async more() {
    if (this.loading || this.failure || this.#cursor === undefined || !this.backups) return;
    const turn = this.#turn;
    this.loading = true;
    try {
      const part = await backupsAfter(this.#query, this.#cursor);
      if (turn === this.#turn) this.#set([...this.backups, ...part.backups], part.cursor);
    } catch (error) {
      if (turn === this.#turn) this.failure = failureOf(error);
    } finally {
      if (turn === this.#turn) this.loading = false;
    }
  }

  #set(backups: Stored[], cursor: string | undefined) {
    this.backups = backups;
    this.#cursor = cursor;
    this.failure = undefined;
  }

  async #summarize(turn: number) {
    try {
      const summary = await summaryOf(this.#query);
      if (turn === this.#turn) this.summary = summary;
    } catch {
      // The list itself says what went wrong.
      if (turn === this.#turn) this.summary = undefined;
    }
  }
}
