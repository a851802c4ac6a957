import { expect, test } from 'vitest';
import { MOST, offerOf } from './pick';

const numbered = (length: number) =>
  Array.from({ length }, (_, index) => ({ value: `${index}`, label: `Zone ${index}` }));

test('a list that is cut opens on the chosen option, wherever that is', () => {
  const { found, isCut, chosen } = offerOf(numbered(400), '', '369');
  expect([found.length, isCut, chosen]).toEqual([MOST, true, 0]);
  expect(found.slice(0, 2).map(({ value }) => value)).toEqual(['369', '0']);
});

test('a list that is not cut keeps its order', () => {
  const { found, isCut, chosen } = offerOf(numbered(20), '', '7');
  expect([found[7]?.value, isCut, chosen]).toEqual(['7', false, 7]);
});

test('the best match of a search comes first, not the chosen option', () => {
  expect(offerOf(numbered(400), 'zone', '369').found[0]?.value).toBe('0');
  expect(offerOf(numbered(400), 'zone 36', '7')).toMatchObject({ isCut: false, chosen: -1 });
});
