import { expect, test } from 'vitest';
import { hasProfile, NEW_KEY, proposed, UNCHOSEN } from './encryption';

test('the only profile is taken, among several the user chooses, without one a key is proposed where it can be exported', () => {
  expect(proposed([{ id: 'p' }], true)).toBe('p');
  expect(proposed([{ id: 'p' }, { id: 'q' }], true)).toBe(UNCHOSEN);
  expect(proposed([], true)).toBe(NEW_KEY);
  expect(proposed([], false)).toBe('');
  expect([UNCHOSEN, NEW_KEY, '', 'p'].map(hasProfile)).toEqual([false, false, true, true]);
});
