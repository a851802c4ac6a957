import { expect, test } from 'vitest';
import { actorInWords, toldOf } from './audit-words';

const ID = '01a21448-1111-7000-8000-000000000000';
const names = new Map([[ID, 'Shop nightly']]);
const told = (action: string, object: string) => toldOf({ action, object }, names);

test('what was done is said in words, with the name of the thing and a way to it', () => {
  expect(told('POST', `/api/jobs/${ID}/run`)).toEqual({
    words: 'Started a backup of',
    thing: 'Shop nightly',
    href: `/jobs/${ID}`,
  });
  expect(told('DELETE', `/api/destinations/${ID}/backups?path=shop/x`)).toEqual({
    words: 'Deleted backups at',
    thing: 'Shop nightly',
    href: `/destinations/${ID}`,
  });
  expect(told('POST', '/api/session')).toEqual({ words: 'Signed in' });
  expect(told('POST', `/api/channels/${ID}/test`)).toEqual({
    words: 'Tested channel',
    thing: 'Shop nightly',
    href: `/notifications/channels/${ID}`,
  });
  expect(told('POST', `/api/jobs/${ID}/retention`).words).toBe('Confirmed deletions of');
});

test('what is gone keeps a short id, and has no link; what was removed keeps its name while it is known', () => {
  expect(told('PUT', '/api/jobs/ffffffff-0000-7000-8000-000000000000')).toEqual({
    words: 'Changed job',
    thing: 'ffffffff',
    href: undefined,
  });
  expect(told('DELETE', `/api/jobs/${ID}`)).toEqual({ words: 'Removed job', thing: 'Shop nightly', href: undefined });
});

test('what a thing was called at that time comes before what it is called now', () => {
  const entry = { action: 'DELETE', object: `/api/jobs/${ID}`, objectName: 'Shop' };
  expect(toldOf(entry, new Map()).thing).toBe('Shop');
});

test('a run is linked though it has no name', () => {
  expect(told('POST', `/api/runs/${ID.replace('01', '02')}/cancel`).href).toBe(`/runs/${ID.replace('01', '02')}`);
});

test('what no pattern knows stays as the server has it', () => {
  expect(told('POST', '/api/something/new')).toEqual({ words: 'POST', thing: '/api/something/new' });
});

test('who did it is a person', () => {
  expect(actorInWords('user anna')).toBe('anna');
  expect(actorInWords('token laptop of anna')).toBe('anna (token “laptop”)');
  expect(actorInWords('nobody')).toBe('Not signed in');
  expect(actorInWords('retention')).toBe('retention');
});
