/** A page waits this long for parts of it that come on their own, in milliseconds: what comes at once moves nothing. */
const PATIENCE = 400;

/** Whether the rest of a page has taken too long to wait for, once `begun`. To be called while a component is made. */
export function late(begun: () => boolean): { readonly is: boolean } {
  let isLate = $state(false);
  $effect(() => {
    if (!begun()) return;
    const timer = setTimeout(() => (isLate = true), PATIENCE);
    return () => clearTimeout(timer);
  });
  return {
    get is() {
      return isLate;
    },
  };
}
