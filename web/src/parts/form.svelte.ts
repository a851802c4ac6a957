import { type Failure, failureOf, sentence } from '../api/client';

/** One form's way to the server: what is wrong with which field, and whether it is under way. */
export class Form {
  failure = $state.raw<Failure>();
  busy = $state(false);
  #touched = $state(false);

  /** What is wrong with a field, as the server names it: `settings.host`. */
  error(field: string): string | undefined {
    const message = this.failure?.fields.find((error) => error.field === field)?.message;
    return message && sentence(message);
  }

  /** Does it, unless it is being done; whether that went well. */
  async submit(act: () => Promise<unknown>): Promise<boolean> {
    if (this.busy) return false;
    this.busy = true;
    this.failure = undefined;
    try {
      await act();
      this.#touched = false;
      return true;
    } catch (error) {
      this.failure = failureOf(error);
      return false;
    } finally {
      this.busy = false;
    }
  }

  /** Brings a field into sight that is folded away; whoever folds it away sets this. */
  reveal: (field: string) => void = () => undefined;

  get touched(): boolean {
    return this.#touched;
  }

  touch = () => {
    this.#touched = true;
  };

  /** Nothing that was typed is worth asking about any more. */
  settle = () => {
    this.#touched = false;
  };
}
