/** Does something once, a while after it was asked for, however often that is; the second function gives it up. */
export function soon(act: () => unknown, delay: number): [ask: () => void, giveUp: () => void] {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const ask = () => {
    timer ??= setTimeout(() => {
      timer = undefined;
      act();
    }, delay);
  };
  const giveUp = () => {
    clearTimeout(timer);
    timer = undefined;
  };
  return [ask, giveUp];
}
