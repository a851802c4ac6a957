/** What a run's log shows: its lines by level and kind, and where they lead. */
import type { LogLine, Run } from '../../api/client';
import { databasesOf } from './words';

export type Level = 'all' | 'problems' | 'errors';

export const passes = ({ level }: LogLine, wanted: Level): boolean =>
  wanted === 'all' || level === 'error' || (wanted === 'problems' && level === 'warning');

type Kind = NonNullable<LogLine['event']>['event'];

/** What an event is about, in a word. */
const SUBJECTS: Partial<Record<Kind, string>> = {
  started: 'Dump',
  silent: 'Dump',
  dumped: 'Dump',
  failed: 'Dump',
  unreachable: 'Destination',
  mayNotFit: 'Space',
  droppedOut: 'Destination',
  settling: 'Upload',
  copied: 'Upload',
  copying: 'Copy',
  copyDone: 'Copy',
  alreadyThere: 'Copy',
  restoring: 'Restore',
  restored: 'Restore',
  notRestored: 'Restore',
  committing: 'Restore',
  puttingInPlace: 'Swap',
  inPlace: 'Swap',
  tooLateToCancel: 'Cancel',
  notEncrypted: 'Encryption',
  leftover: 'Cleanup',
  begunAgain: 'Retry',
  slotLeftOut: 'Schedule',
  settled: 'Result',
  ended: 'Result',
};

export const subjectOf = ({ event }: LogLine): string => (event ? (SUBJECTS[event.event] ?? '') : '');

/** The ids of a run's destinations, by the names that they had. */
function placesOf(run: Run): Map<string, string> {
  const copies = databasesOf(run).flatMap(({ copies }) => copies);
  return new Map([
    ...copies.flatMap(({ destination, destinationId }) =>
      destinationId ? [[destination, destinationId] as const] : [],
    ),
    ...run.destinations.map(({ name, id }) => [name, id] as const),
  ]);
}

/** Where a line leads: to the run, or to the destination that it is about. */
export function linkOf({ event }: LogLine, run: Run): { href: string; words: string } | undefined {
  if (!event) return undefined;
  if (event.event === 'begunAgain') return { href: `/runs/${event.runId}`, words: 'View that run' };
  if (event.event !== 'unreachable' && event.event !== 'droppedOut' && event.event !== 'mayNotFit') return undefined;
  const id = placesOf(run).get(event.destination);
  return id ? { href: `/destinations/${id}`, words: `View ${event.destination}` } : undefined;
}

/** Maximum lines in one response of the server. */
export const LOG_PAGE_LENGTH = 1000;

/** Reads the lines after a line, page by page; `read` returns one page of them. */
export async function* linesAfter(
  after: number | undefined,
  read: (after: number | undefined) => Promise<LogLine[]>,
): AsyncGenerator<LogLine[]> {
  let last = after;
  for (;;) {
    const page = await read(last);
    yield page;
    // There is no cursor: only a full page tells that there may be more.
    if (page.length < LOG_PAGE_LENGTH) return;
    last = page.at(-1)?.number;
  }
}

/** The log as a text, as it is copied and kept. */
export const asText = (lines: LogLine[]): string =>
  lines.map(({ at, level, message }) => `${at} ${level.toUpperCase().padEnd(7)} ${message}`).join('\n') + '\n';

/** The name of the log's file. */
export const fileName = (run: Run): string =>
  `${run.title.replaceAll(/[^\p{L}\p{N}._-]+/gu, '-')} ${(run.startedAt ?? run.createdAt).replaceAll(':', '-')}.log`;
