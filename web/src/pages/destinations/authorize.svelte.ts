/** Authorizing from a page that is not the destination's own: what goes as it should ends there, all else on its page. */
import { api, ask } from '../../api/client';
import { attempt } from '../../parts/attempt';
import { navigate } from '../../routes';
import { arrived } from './arrived.svelte';
import { celebrate, leaveFor, type Outcome, waitFor } from './authorization';

export class QuickAuthorization {
  /** The destination whose consent page is open. */
  waiting = $state<string>();
  #stop: (() => void) | undefined;
  #ondone: () => unknown;

  constructor(ondone: () => unknown) {
    this.#ondone = ondone;
  }

  /** To be called by the click itself: a browser blocks a window that opens later. */
  async begin(id: string) {
    const popup = window.open('', '', 'popup,width=720,height=860');
    this.stop();
    this.waiting = id;
    this.#stop = waitFor(id, (outcome) => void this.#end(outcome));
    const params = { path: { id } };
    const begun = await attempt(async () => {
      const { url } = await ask(
        api.POST('/api/destinations/{id}/authorization', { params, body: { mode: 'redirect' } }),
      );
      if (popup) popup.location.href = url;
      else leaveFor(url, `/destinations/${id}`);
    });
    if (begun) return;
    popup?.close();
    this.stop();
  }

  async #end(outcome: Outcome) {
    this.stop();
    const { destinationId: id } = outcome;
    if (outcome.status !== 'authorized') {
      arrived.outcome = outcome;
      await navigate('/destinations/:id', { params: { id } });
      return;
    }
    await attempt(async () => {
      celebrate(await ask(api.GET('/api/destinations/{id}', { params: { path: { id } } })), outcome.reason);
      await this.#ondone();
    });
  }

  stop() {
    this.#stop?.();
    this.waiting = undefined;
  }
}
