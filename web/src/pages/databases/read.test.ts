import { expect, test } from 'vitest';
import type { Stored } from '../backups/stored';
import { placesOf } from './read';

const copy = (id: string, time: string, state = 'present') =>
  ({ destination: { id, name: id }, time, state, size: 10, key: `${id} ${time}` }) as unknown as Stored;

test('a destination that should have copies is shown without any, one that has some without a job, too', () => {
  const destinations = ['Archive', 'Lost', 'NAS', 'Unused'].map((name) => ({ id: name, name }));
  const copies = [copy('NAS', '3'), copy('Archive', '2'), copy('NAS', '2'), copy('Lost', '3', 'missing')];
  const places = placesOf(new Set(['NAS', 'Lost']), destinations, copies, { database: 'shop' });
  expect(places[1]?.href).toBe('/backups?destination=NAS&database=shop');
  expect(places.map(({ name, newest, copies, isUsed }) => [name, newest?.time, copies, isUsed])).toEqual([
    ['Lost', undefined, 0, true],
    ['NAS', '3', 2, true],
    ['Archive', '2', 1, false],
  ]);
});
