import { expect, test } from 'vitest';
import { knownOf, lookNow, markAt, type OwnLook } from './state';
import type { Stored } from './stored';

const copy = (at?: string, more: object = {}) =>
  ({ state: 'present', sidecar: 'read', verified: at && { at, by: 'user anna', result: 'whole' }, ...more }) as Stored;
const own = (of: Stored): OwnLook => ({ mark: 'failed', word: 'Not verified', known: knownOf(of) });

test('what a page has found out holds until the server knows something newer', () => {
  const before = copy('2026-11-01T00:00:00Z');
  expect(lookNow(before, own(before)).word).toBe('Not verified');
  expect(lookNow(copy('2026-11-02T00:00:00Z'), own(before)).word).toBe('Verified');
  expect(lookNow(copy('2026-11-01T00:00:00Z', { state: 'missing' }), own(before)).word).toBe('Missing');
  expect(lookNow(before, undefined).word).toBe('Verified');
});

test('a copy among others is named by its destination, with what is the matter', () => {
  const at = (more: object) => markAt(copy(undefined, { destination: { id: '1', name: 'NAS' }, ...more }));
  expect(at({})).toMatchObject({ mark: 'good', word: 'NAS' });
  expect(at({ verified: { at: '2026-11-01T00:00:00Z', by: 'user anna', result: 'altered' } })).toMatchObject({
    mark: 'failed',
    word: 'NAS: verification failed',
  });
});

test('a copy that could not be verified is not taken for one that nobody has verified', () => {
  const verified = { at: '2026-11-01T00:00:00Z', by: 'run 0190', result: 'unknown' };
  expect(lookNow(copy(undefined, { verified }), undefined).word).toBe('Cannot be verified');
  expect(lookNow(copy(), undefined).word).toBe('Not verified');
});
