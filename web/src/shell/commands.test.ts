import { expect, test } from 'vitest';
import { commandsFor, found, type Things } from './commands';

const things = {
  jobs: [
    { id: 'j1', name: 'shop', sourceId: 's2' },
    { id: 'j2', name: 'workshop', sourceId: 's1', databases: ['orders', 'tools'] },
  ],
  sources: [
    { id: 's1', name: 'Shop, production', settings: { type: 'postgres' } },
    { id: 's2', name: 'A file', settings: { type: 'sqlite' } },
  ],
  destinations: [{ id: 'd1', name: 'Offsite', authorization: { status: 'authorization_required' } }],
  profiles: [{ id: 'p1', name: 'company' }],
  channels: [{ id: 'c1', name: 'Ops chat' }],
  rules: [{ id: 'r1', name: 'Everything' }],
  files: new Set(['sqlite']),
} as unknown as Things;
const all = commandsFor(things, { operate: true, configure: true, administer: true }, () => undefined);
const words = (search: string, commands = all) => found(commands, search).map(({ words }) => words);

test('whole names come first, then beginnings, then any place', () => {
  expect(words('shop').slice(0, 3)).toEqual(['shop', 'Shop, production', 'workshop']);
});

test('several words narrow it down, in any order and by kind', () => {
  expect(words('shop back').slice(0, 2)).toEqual(['Back up shop now', 'Back up workshop now']);
  expect(words('source shop')).toEqual(['Shop, production']);
});

test('a run is found by its id', () => {
  const id = '0190a1b2-0000-7000-8000-00000000000f';
  expect(found(all, id)[0]?.href).toBe(`/runs/${id}`);
});

test('nobody is offered what they may not do', () => {
  const viewer = commandsFor(things, { operate: false, configure: false, administer: false }, () => undefined);
  expect(words('action', viewer)).toEqual([]);
  expect(words('workshop', viewer)).toEqual(['workshop', 'Runs of workshop', 'Backups of workshop']);
});

test('a database is opened and restored by its name, a file by its source', () => {
  const hrefs = (search: string) => found(all, search).map(({ href }) => href);
  expect(hrefs('database orders')).toEqual(['/databases?source=s1&name=orders']);
  expect(hrefs('restore orders')).toEqual(['/backups/restore?job=workshop&database=orders']);
  expect(hrefs('restore shop')[0]).toBe('/backups/restore?job=shop');
  expect(words('database shop')).toEqual([]);
});

test('what waits for an authorization can be authorized from anywhere', () => {
  expect(found(all, 'authorize')[0]?.href).toBe('/destinations/d1');
});

test('channels and rules are opened by their names, and added by those who may', () => {
  expect(found(all, 'ops chat')[0]?.href).toBe('/notifications/channels/c1');
  expect(found(all, 'rule everything')[0]?.href).toBe('/notifications/rules/r1');
  expect(words('add channel')).toEqual(['Add channel']);
  const operator = commandsFor(things, { operate: true, configure: true, administer: false }, () => undefined);
  expect(words('add channel', operator)).toEqual([]);
});
