import { expect, test } from 'vitest';
import { TypeAhead } from './type-ahead';

const NAMES = ['Archive', 'backups', 'Billing', 'blog', 'my files', 'Ärzte'];
const stroke = (key: string, more = {}) => ({ key, ctrlKey: false, metaKey: false, altKey: false, ...more });

test('letters together choose what begins with them, in any case', () => {
  const ahead = new TypeAhead();
  expect(ahead.read(stroke('b'), NAMES, -1, 0)).toBe(1);
  expect(ahead.read(stroke('l'), NAMES, 1, 100)).toBe(3);
  expect(ahead.read(stroke('ä'), NAMES, 3, 5000)).toBe(5);
});

test('the same letter again goes to the next, and around', () => {
  const ahead = new TypeAhead();
  expect(ahead.read(stroke('b'), NAMES, -1, 0)).toBe(1);
  expect(ahead.read(stroke('b'), NAMES, 1, 100)).toBe(2);
  expect(ahead.read(stroke('b'), NAMES, 2, 200)).toBe(3);
  expect(ahead.read(stroke('b'), NAMES, 3, 300)).toBe(1);
});

test('a space is part of a name that has begun; keys of other kinds are not read', () => {
  const ahead = new TypeAhead();
  expect(ahead.read(stroke(' '), NAMES, 0, 0)).toBeUndefined();
  ahead.read(stroke('m'), NAMES, 0, 1000);
  ahead.read(stroke('y'), NAMES, 4, 1100);
  expect(ahead.read(stroke(' '), NAMES, 4, 1200)).toBe(4);
  expect(ahead.read(stroke('Enter'), NAMES, 0, 1300)).toBeUndefined();
  expect(ahead.read(stroke('b', { ctrlKey: true }), NAMES, 0, 9000)).toBeUndefined();
  expect(ahead.read(stroke('z'), NAMES, 0, 20_000)).toBeUndefined();
  expect(ahead.read(stroke('a'), [], -1, 30_000)).toBeUndefined();
});
