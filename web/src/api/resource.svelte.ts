import { type Failure, failureOf } from './client';

/** Something read from the server, and again on demand; what was read stays while it is read again, or that fails. */
export class Resource<T> {
  value = $state.raw<T>();
  failure = $state.raw<Failure>();
  loading = $state(false);
  #load: () => Promise<T>;
  #turn = 0;

  constructor(load: () => Promise<T>) {
    this.#load = load;
    void this.reload();
  }

  async reload() {
    const turn = ++this.#turn;
    this.loading = true;
    try {
      const value = await this.#load();
      if (turn !== this.#turn) return;
      this.value = value;
      this.failure = undefined;
    } catch (error) {
      if (turn === this.#turn) this.failure = failureOf(error);
    } finally {
      if (turn === this.#turn) this.loading = false;
    }
  }
}
