import { expect, test } from 'vitest';
import { Keys } from './keys';
import { windowTitle } from './window.svelte';

const stroke = (key: string, more = {}) => ({ key, ctrlKey: false, metaKey: false, altKey: false, ...more });

test('g and a letter go somewhere, if they come together', () => {
  const keys = new Keys();
  expect(keys.read(stroke('g'), false, 0)).toBeUndefined();
  expect(keys.read(stroke('j'), false, 500)).toEqual({ to: '/jobs' });
  expect(keys.read(stroke('j'), false, 600)).toBeUndefined();
  keys.read(stroke('g'), false, 1000);
  expect(keys.read(stroke('t'), false, 5000)).toBe('times');
});

test('what is typed is text; Ctrl-K opens the palette even there', () => {
  const keys = new Keys();
  expect(keys.read(stroke('?'), true, 0)).toBeUndefined();
  expect(keys.read(stroke('?'), false, 0)).toBe('help');
  expect(keys.read(stroke('k', { ctrlKey: true }), true, 0)).toBe('palette');
  expect(keys.read(stroke('t', { ctrlKey: true }), false, 0)).toBeUndefined();
});

test('the title carries the number of problems, and no others', () => {
  expect(windowTitle('Jobs', 0)).toBe('Jobs · dbackup');
  expect(windowTitle('Jobs', 2)).toBe('(2) Jobs · dbackup');
});
