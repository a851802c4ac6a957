import { expect, test } from 'vitest';
import type { LogLine, Run } from '../../api/client';
import { asText, fileName, linesAfter, linkOf, LOG_PAGE_LENGTH, passes, subjectOf } from './log';

const line = (level: LogLine['level'], event?: object): LogLine =>
  ({ number: 1, at: '2026-01-15T12:00:00.000Z', level, message: 'what happened', event }) as LogLine;
const run = {
  title: 'shop / nightly',
  createdAt: '2026-01-15T12:00:00.000Z',
  destinations: [{ id: 'd', name: 'Offsite' }],
} as unknown as Run;

test('levels: everything, what is not well, or errors alone', () => {
  const shown = (level: 'all' | 'problems' | 'errors') =>
    (['info', 'warning', 'error'] as const).filter((of) => passes(line(of), level));
  expect(shown('all')).toEqual(['info', 'warning', 'error']);
  expect(shown('problems')).toEqual(['warning', 'error']);
  expect(shown('errors')).toEqual(['error']);
});

test('an event says what a line is about and where it leads', () => {
  const out = line('error', { event: 'droppedOut', destination: 'Offsite', database: 'shop', error: 'full' });
  expect([subjectOf(out), linkOf(out, run)?.href]).toEqual(['Destination', '/destinations/d']);
  expect(linkOf(line('error', { event: 'droppedOut', destination: 'Gone' }), run)).toBeUndefined();
  expect(linkOf(line('info', { event: 'begunAgain', runId: 'r' }), run)?.href).toBe('/runs/r');
  // A line of before there were events.
  expect([subjectOf(line('info')), linkOf(line('info'), run)]).toEqual(['', undefined]);
});

test('a log is kept as a text, under a name that any file system takes', () => {
  expect(asText([line('warning')])).toBe('2026-01-15T12:00:00.000Z WARNING what happened\n');
  expect(fileName(run)).toBe('shop-nightly 2026-01-15T12-00-00.000Z.log');
});

test('a log is read on as long as a page is full', async () => {
  const read = async (total: number, after?: number) => {
    const asked: (number | undefined)[] = [];
    const numbers: number[] = [];
    const page = async (from: number | undefined) => {
      asked.push(from);
      const rest = Math.min(LOG_PAGE_LENGTH, total - (from ?? 0));
      return Array.from({ length: rest }, (_, index) => ({ ...line('info'), number: (from ?? 0) + index + 1 }));
    };
    for await (const lines of linesAfter(after, page)) numbers.push(...lines.map(({ number }) => number));
    return { asked, last: numbers.at(-1), count: numbers.length };
  };
  expect(await read(2500)).toEqual({ asked: [undefined, 1000, 2000], last: 2500, count: 2500 });
  expect(await read(2000, 1500)).toEqual({ asked: [1500], last: 2000, count: 500 });
  expect(await read(1000)).toEqual({ asked: [undefined, 1000], last: 1000, count: 1000 });
});
