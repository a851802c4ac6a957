import { expect, test } from 'vitest';
import { commandsFor, found, type Things } from './commands';

const things = {
  jobs: [
    { id: 'j1', name: 'shop' },
    { id: 'j2', name: 'workshop' },
  ],
  sources: [{ id: 's1', name: 'Shop, production' }],
  destinations: [{ id: 'd1', name: 'Offsite' }],
  profiles: [{ id: 'p1', name: 'company' }],
} as unknown as Things;
const all = commandsFor(things, { operate: true, configure: true }, () => undefined);
const words = (search: string, commands = all) => found(commands, search).map(({ words }) => words);

test('whole names come first, then beginnings, then any place', () => {
  expect(words('shop').slice(0, 3)).toEqual(['shop', 'Shop, production', 'workshop']);
});

test('several words narrow it down, in any order and by kind', () => {
  expect(words('shop back')).toEqual(['Back up shop now', 'Back up workshop now']);
  expect(words('source shop')).toEqual(['Shop, production']);
});

test('a run is found by its id', () => {
  const id = '0190a1b2-0000-7000-8000-00000000000f';
  expect(found(all, id)[0]?.href).toBe(`/runs/${id}`);
});

test('nobody is offered what they may not do', () => {
  const viewer = commandsFor(things, { operate: false, configure: false }, () => undefined);
  expect(words('action', viewer)).toEqual([]);
  expect(words('workshop', viewer)).toEqual(['workshop', 'Runs of workshop']);
});
