import { expect, test } from 'vitest';
import type { LogLine, Run } from '../../api/client';
import { asText, fileName, linkOf, passes, subjectOf } from './log';

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
