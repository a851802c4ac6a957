import { expect, test } from 'vitest';
import { chosenOf, FEW, idOf, PAGE_LENGTH, pageWithin, searched, sorted } from './table';

test('rows without a value come last in both directions, equal ones keep their order', () => {
  const rows = [
    { name: 'a', size: 2 },
    { name: 'b', size: undefined },
    { name: 'c', size: 10 },
    { name: 'd', size: 2 },
  ];
  const names = (descending: boolean) => sorted(rows, ({ size }) => size, descending).map(({ name }) => name);
  expect(names(false)).toEqual(['a', 'd', 'c', 'b']);
  expect(names(true)).toEqual(['c', 'a', 'd', 'b']);
  expect(sorted(rows, undefined, true)).toBe(rows);
});

test('names sort as people count', () => {
  const sort = (names: string[]) => sorted(names, (name) => name, false);
  expect(sort(['job 10', 'Job 9', 'äpfel', 'zebra', 'apple'])).toEqual(['äpfel', 'apple', 'Job 9', 'job 10', 'zebra']);
});

test('a search needs every word; no search keeps all', () => {
  const search = { label: '', placeholder: '', texts: (name: string) => [name] };
  expect(searched(['Shop nightly', 'Shop weekly'], 'night SHOP', search)).toEqual(['Shop nightly']);
  expect(searched(['a', 'b'], '  ', search)).toEqual(['a', 'b']);
});

test('a page of the address that does not exist is the nearest one that does', () => {
  expect(FEW).toBeLessThan(PAGE_LENGTH);
  expect(pageWithin(0, 10)).toBe(1);
  expect(pageWithin(Number.NaN, 10)).toBe(1);
  expect(pageWithin(7, 2 * PAGE_LENGTH)).toBe(2);
  expect(pageWithin(3, 0)).toBe(1);
  expect(idOf({ label: 'Last good' })).toBe('last-good');
});

test('what an act is about stays the same while the list changes', () => {
  const key = ({ id }: { id: number }) => id;
  const [one, two, three] = [{ id: 1 }, { id: 2 }, { id: 3 }];
  const keys = new Set<string | number>([1, 2]);
  expect(chosenOf({ rows: [one, two, three], shown: [two, three], key, keys })).toEqual([two]);
  // A chip hides the second, which has changed, and the first is gone.
  const changed = { id: 2, revision: 2 };
  expect(chosenOf({ rows: [changed, three], shown: [three], key, keys, held: [one, two] })).toEqual([one, changed]);
  expect(chosenOf({ rows: [one, two], shown: [one, two], key, keys: new Set<string | number>() })).toEqual([]);
});
