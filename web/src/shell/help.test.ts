import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { helpFor } from './help';
import { PLACES } from './keys';

test('every page that has something to explain leads to a page of the guide that exists', () => {
  for (const { href } of PLACES.filter(({ href }) => href !== '/' && href !== '/wall')) {
    const page = helpFor(href);
    expect(page, href).toBeDefined();
    expect(existsSync(`../docs/guide/${page}.md`), page).toBe(true);
  }
  expect(helpFor('/retention/plan')).toBe('retention');
  expect(helpFor('/retentions')).toBeUndefined();
});
