import { expect, test } from 'vitest';
import { isLostPart } from './parts.svelte';

test('a part that could not be fetched is told from every other error, in each browser', () => {
  for (const words of [
    'Failed to fetch dynamically imported module: https://backup.example/assets/Runs-x1.js',
    'error loading dynamically imported module: https://backup.example/assets/Runs-x1.js',
    'Importing a module script failed.',
    'Unable to preload CSS for /assets/Runs-x1.css',
  ]) {
    expect(isLostPart(new TypeError(words)), words).toBe(true);
  }
  expect(isLostPart(new TypeError('Failed to fetch'))).toBe(false);
  expect(isLostPart('importing a module script failed')).toBe(false);
});
