import { expect, test } from 'vitest';
import { newDatabase, newFile } from './restore';

test('a restored database gets a name of its own, within what PostgreSQL keeps of it', () => {
  expect(newDatabase('shop')).toBe('shop_restored');
  expect(newDatabase('shop', 3)).toBe('shop_restored_3');
  expect(newDatabase('a'.repeat(63))).toBe(`${'a'.repeat(54)}_restored`);
  const long = newDatabase('ж'.repeat(31));
  expect(new TextEncoder().encode(long).length).toBeLessThanOrEqual(63);
  expect(long).toMatch(/^ж+_restored$/);
});

test('a restored file lies beside the original, with its ending', () => {
  expect(newFile('/srv/app/shop.db', '2026-11-25T03:00:00Z')).toBe('/srv/app/shop-restored-2026-11-25.db');
  expect(newFile('/srv/app.d/shop', '2026-11-25T03:00:00Z', 2)).toBe('/srv/app.d/shop-restored-2026-11-25-2');
  expect(newFile('/srv/.shop', '2026-11-25T03:00:00Z')).toBe('/srv/.shop-restored-2026-11-25');
  expect(newFile('/srv/shop.tar.sqlite3', '2026-11-25T03:00:00Z')).toBe('/srv/shop.tar-restored-2026-11-25.sqlite3');
});
