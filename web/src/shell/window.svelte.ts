/** What the window says of itself: in its title, its icon, and to screen readers. */
class Window {
  /** The page's heading. */
  title = $state('');
  /** How many problems keep databases from being backed up. */
  problems = $state(0);
}

export const shown = new Window();

/** "(2) Jobs · dbackup". */
export const windowTitle = (title: string, problems: number): string =>
  `${problems > 0 ? `(${problems}) ` : ''}${title} · dbackup`;
