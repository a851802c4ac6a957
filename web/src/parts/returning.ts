/** Which row of a list was opened, so that whoever goes back to the list finds the focus there. */
const opened = new Map<string, string>();
let backTo: string | undefined;

window.addEventListener('popstate', () => (backTo = location.pathname));

export const opens = (key: string) => opened.set(location.pathname, key);

/** The row that was opened from this page, once, if the reader has gone back to it. */
export function returnedTo(): string | undefined {
  if (backTo !== location.pathname) return undefined;
  backTo = undefined;
  return opened.get(location.pathname);
}
