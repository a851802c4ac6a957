/** Keeps the screen on while a page is shown, where the browser can; returns how to stop that. */
export function stayAwake(): () => void {
  let lock: WakeLockSentinel | undefined;
  let ended = false;
  // Lost whenever the page is hidden.
  const ask = async () => {
    if (document.hidden || ended || !('wakeLock' in navigator)) return;
    const got = await navigator.wakeLock.request('screen').catch(() => undefined);
    if (ended) void got?.release();
    else lock = got;
  };
  const again = () => void ask();
  document.addEventListener('visibilitychange', again);
  again();
  return () => {
    ended = true;
    document.removeEventListener('visibilitychange', again);
    void lock?.release();
  };
}
