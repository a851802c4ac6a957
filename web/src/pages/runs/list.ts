/** A list of runs that is loaded page by page, the newest first or the oldest, while runs begin and end. */
import type { Run } from '../../api/client';

interface Loaded {
  items: Run[];
  nextCursor?: string | null;
}

/** The runs with one as an event has it. A run further down than all that is loaded comes with its page. */
export function withRun({ items, nextCursor }: Loaded, run: Run, fits: boolean, isOldestFirst = false): Run[] {
  if (isOldestFirst) {
    const known = items.map((one) => (one.id === run.id ? run : one)).filter((one) => fits || one.id !== run.id);
    const isNew = fits && !nextCursor && !items.some(({ id }) => id === run.id);
    return isNew ? [...known, run] : known;
  }
  const others = items.filter(({ id }) => id !== run.id);
  const isBehind = Boolean(nextCursor) && run.id < (items.at(-1)?.id ?? '');
  return fits && !isBehind ? [run, ...others].sort((one, other) => (one.id < other.id ? 1 : -1)) : others;
}

/** The runs with a further page. What is there already has been heard of since the page was asked for. */
export function withMore(items: Run[], more: Run[]): Run[] {
  const known = new Set(items.map(({ id }) => id));
  return [...items, ...more.filter(({ id }) => !known.has(id))];
}
