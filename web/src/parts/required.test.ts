import { expect, test } from 'vitest';
import { Failure } from '../api/client';
import { requireAll } from './required';

test('everything that is missing is named at once, and nothing that is there', () => {
  const call = () =>
    requireAll([
      ['name', '', 'Enter a name.'],
      ['sourceId', 'x', 'Choose a source.'],
      ['destinationIds', 0, 'Choose at least one destination.'],
    ]);
  expect(call).toThrow(Failure);
  try {
    call();
  } catch (error) {
    expect((error as Failure).message).toBe('Not saved: 2 fields to complete.');
    expect((error as Failure).fields.map(({ field }) => field)).toEqual(['name', 'destinationIds']);
  }
  expect(() => requireAll([['name', 'x', 'Enter a name.']])).not.toThrow();
});
