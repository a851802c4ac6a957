/** The toasts' place in the top layer, above every dialog that is open. */
class Toasts {
  element = $state<HTMLElement>();

  constructor() {
    $effect.root(() => {
      $effect(() => this.raise());
    });
  }

  /** Whatever came last into the top layer lies on top: to be called when a dialog has opened. */
  raise = () => {
    if (this.element?.matches(':popover-open')) this.element.hidePopover();
    this.element?.showPopover();
  };
}

export const toasts = new Toasts();
