import { expect, test } from 'vitest';
import type { Destination, Job, JobStanding, Overview, Profile } from '../../api/client';
import { wordsOf } from './cause-words';
import type { Cause } from './causes';
import { dayInWords, headline, isBackedUp, type Known, markOf, standing, worst } from './standing';

const now = new Date('2026-01-15T12:00:00Z');
const day = (more: object) => ({
  day: 29,
  succeeded: 0,
  withWarnings: 0,
  partial: 0,
  failed: 0,
  cancelled: 0,
  unfinished: 0,
  missed: false,
  storedBytes: 0,
  ...more,
});
const job = (id: string, more: object = {}) =>
  ({ id, name: id, sourceId: id, destinationIds: ['d', 'e'], enabled: true, ...more }) as Job;
const stands = (jobId: string, more: object): JobStanding => ({ jobId, backedUp: 0, warnings: 0, days: [], ...more });
const good = (jobId: string, databases = 1, lastGoodAt = '2026-01-15T03:00:00Z') =>
  stands(jobId, { state: 'succeeded', databases, backedUp: databases, lastGoodAt });
const bad = (jobId: string, databases = 1) => stands(jobId, { state: 'failed', databases });
const dropbox = (status: string, space?: object) =>
  ({ id: 'd', name: 'Offsite', authorization: { status, space } }) as unknown as Destination;
const overview = (jobs: JobStanding[], destinations: Overview['destinations'] = []): Overview => ({
  dates: Array.from({ length: 30 }, (_, index) => `2026-01-${index}`),
  jobs,
  destinations,
});
const space = (more: object) => [{ destinationId: 'd', days: [], ...more }] as Overview['destinations'];
const look = (known: Partial<Known>) =>
  standing({ overview: overview([]), jobs: [], destinations: [], profiles: [], foreign: new Set(), ...known }, now);
const kinds = (known: Partial<Known>) => look(known).causes.map(({ kind }) => kind);
/** A run whose copies at these destinations are missing. */
const missing = (...ids: string[]) => ({
  lastRun: {
    kind: 'backup',
    error: 'no copy',
    result: {
      databases: [{ database: 'a', copies: ids.map((id) => ({ destinationId: id, destination: id, error: 'no' })) }],
    },
  },
});

/** A run without a dump. */
const undumped = (error: string, code?: string) => ({
  lastRun: { kind: 'backup', error, code, result: { databases: [{ database: 'a', error, code, copies: [] }] } },
});

test('all is well', () => {
  const jobs = [job('a', { nextRunAt: '2026-01-16T03:00:00Z' }), job('b', { nextRunAt: '2026-01-15T20:00:00Z' })];
  const how = look({ jobs, overview: overview([good('a', 8), good('b', 4, '2026-01-14T03:00:00Z')]), restored: true });
  expect(headline(how)).toBe('All 12 databases are backed up.');
  expect([how.oldest?.job.id, how.next?.job.id, worst(how)]).toEqual(['b', 'b', 'good']);
});

test('what did not succeed, was missed or has never run is counted by databases', () => {
  const told = overview([
    stands('a', { state: 'partial', databases: 5, backedUp: 3 }),
    stands('b', { state: 'succeeded', databases: 1, backedUp: 1, days: [day({ missed: true })] }),
    stands('c', {}),
    good('d', 4),
  ]);
  const jobs = [job('a'), job('b'), job('c'), job('d')];
  expect(kinds({ overview: told, jobs })).toEqual(['failed', 'missed', 'never']);
  expect(headline(look({ overview: told, jobs }))).toBe('4 of 11 databases need attention.');
});

test('what is paused or was cancelled is no failure; what had failed before stays one', () => {
  const cancelled = (more: object) => stands('a', { state: 'cancelled', databases: 1, ...more });
  const lastGoodAt = '2026-01-14T03:00:00Z';
  const ends = (more: object) => look({ jobs: [job('a')], overview: overview([cancelled(more)]) });
  expect(headline(ends({ lastGoodAt }))).toBe('Your database is backed up.');
  expect(ends({}).causes.map(({ kind }) => kind)).toEqual(['never']);
  const failedBefore = {
    lastGoodAt,
    days: [day({ day: 20, succeeded: 1 }), day({ day: 28, failed: 1 }), day({ cancelled: 1 })],
  };
  expect(ends(failedBefore).causes.map(({ kind }) => kind)).toEqual(['failed']);
  const paused = look({ jobs: [job('a', { enabled: false }), job('b')], overview: overview([bad('a'), good('b', 2)]) });
  expect([headline(paused), paused.groups.get('a')]).toEqual(['All 2 databases are backed up.', 'paused']);
});

test('one cause stands for all jobs that wait for it, and is cured once', () => {
  const offsite = dropbox('authorization_required');
  const told = overview([bad('a'), bad('b'), bad('c'), good('f')]);
  const jobs = [job('a', missing('d')), job('b', missing('d')), job('c', missing('d', 'e')), job('f')];
  const { causes, troubled } = look({ overview: told, jobs, destinations: [offsite] });
  expect(causes.map(({ kind, jobs }) => [kind, jobs.map(({ id }) => id).join()])).toEqual([
    ['authorize', 'a,b,c,f'],
    ['failed', 'c'],
  ]);
  expect(troubled).toBe(4);
});

test('jobs that failed at the same place are told of together', () => {
  const jobs = [
    job('a', missing('e')),
    job('b', missing('e')),
    job('c', { sourceId: 's', ...undumped('refused') }),
    job('f', { sourceId: 's', ...undumped('refused') }),
  ];
  const { causes } = look({ jobs, overview: overview([bad('a'), bad('b'), bad('c'), bad('f')]) });
  expect(causes.map(({ destinationId, sourceId, jobs }) => [destinationId ?? sourceId, jobs.length])).toEqual([
    ['e', 2],
    ['s', 2],
  ]);
});

test('a failure that is no place of its own is put to none', () => {
  const out = (code: string, error: string) => ({ sourceId: 's', lastRun: { kind: 'backup', code, error } });
  const causesFor = (...jobs: Job[]) => look({ jobs, overview: overview(jobs.map(({ id }) => bad(id))) }).causes;
  const both = causesFor(job('a', missing('d', 'e')), job('b', missing('d', 'e')));
  const [cause] = both;
  expect([both.length, cause?.destinationId, cause?.sourceId, cause?.reason]).toEqual([
    1,
    undefined,
    undefined,
    'no copy',
  ]);
  const told = causesFor(
    job('a', out('interrupted', 'the server stopped')),
    job('b', out('interrupted', 'the server stopped')),
    job('c', out('unavailable', 'NAS is unreachable')),
    job('f', out('unavailable', 'Offsite is unreachable')),
    job('g', { sourceId: 's', ...undumped('too long', 'timedOut') }),
  );
  expect(told.map(({ sourceId, reason, jobs }) => [sourceId, reason, jobs.length])).toEqual([
    [undefined, 'the server stopped', 2],
    [undefined, undefined, 2],
    [undefined, 'too long', 1],
  ]);
  const words = wordsOf(told[1] as Cause, { names: new Map() });
  expect([words.title, words.cure?.href]).toEqual(['2 jobs failed', '/jobs?state=failed']);
});

test('what a job lacks is cured in its form; of several, in the list', () => {
  const causesFor = (...jobs: Job[]) => look({ jobs, overview: overview(jobs.map(({ id }) => good(id))) }).causes;
  const cures = (...jobs: Job[]) => causesFor(...jobs).map((cause) => wordsOf(cause, { names: new Map() }).cure?.href);
  const single = { destinationIds: ['d'] };
  expect(cures(job('a', single))).toEqual(['/jobs/a/edit']);
  expect(cures(job('a', single), job('b', single))).toEqual(['/jobs']);
});

test('a schedule that cannot be read needs attention, whatever the last run came to', () => {
  const told = overview([{ ...good('a', 2), scheduleError: "'Mars' is not a time zone" }]);
  expect(kinds({ overview: told, jobs: [job('a')] })).toEqual(['schedule']);
});

test('a destination to be authorized, or soon full, needs attention', () => {
  const destinations = [dropbox('authorization_required', { used: 1, allowed: 10 })];
  const soon = overview([], space({ fullOn: '2026-01-30' }));
  expect(kinds({ overview: soon, destinations })).toEqual(['authorize', 'full']);
  expect(headline(look({ overview: soon, destinations }))).toBe('1 destination needs attention.');
  const later = overview([], space({ fullOn: '2026-06-30' }));
  expect(kinds({ overview: later, destinations: [dropbox('authorized', { used: 95, allowed: 100 })] })).toEqual([
    'full',
  ]);
  expect(kinds({ overview: later, destinations: [dropbox('authorized', { used: 5, allowed: 100 })] })).toEqual([]);
});

test('the space of a folder counts as that of any other storage', () => {
  const told = overview([], space({ days: [{ date: '2026-01-15', used: 94, allowed: 100 }] }));
  expect(kinds({ overview: told, destinations: [dropbox('not_required')] })).toEqual(['full']);
});

test('what could be lost all the same is known to the headline', () => {
  const profiles = [
    { id: 'p', canDecrypt: true },
    { id: 'kept', canDecrypt: true, exportedAt: '2026-01-01T00:00:00Z' },
    { id: 'unused', canDecrypt: true },
  ] as Profile[];
  const jobs = [
    job('a', { profileId: 'p' }),
    job('b', { profileId: 'kept', destinationIds: ['d'] }),
    job('c'),
    job('f', { profileId: 'p', enabled: false, destinationIds: ['d'] }),
  ];
  const told = overview([good('a'), good('b'), good('c')]);
  const how = look({ overview: told, jobs, profiles, foreign: new Set(['d']), restored: false });
  expect(how.causes.map(({ kind, jobs }) => [kind, jobs.map(({ id }) => id).join()])).toEqual([
    ['key', 'a'],
    ['plaintext', 'c'],
    ['oneCopy', 'b'],
    ['unrestored', 'a,b,c'],
  ]);
  expect([headline(how), worst(how)]).toEqual(['All 3 databases are backed up, with 2 risks.', 'warn']);
});

test('advice is no risk', () => {
  const single = job('a', { destinationIds: ['d'] });
  const how = look({ jobs: [single], overview: overview([good('a')]), restored: false });
  expect(how.causes.map(({ level }) => level)).toEqual(['note', 'note']);
  expect(headline(how)).toBe('Your database is backed up.');
});

test('a first backup that is running is not one that is made', () => {
  const running = stands('b', { days: [day({ unfinished: 1 })] });
  const jobs = [job('a'), job('b')];
  const how = look({ jobs, overview: overview([good('a', 3), running]) });
  expect(headline(how)).toBe('3 databases are backed up; 1 first backup is running.');
  expect(isBackedUp(how)).toBe(true);
  const alone = look({ jobs: [job('b')], overview: overview([running]) });
  expect(headline(alone)).toBe('Nothing is backed up yet; 1 first backup is running.');
  expect(isBackedUp(alone)).toBe(false);
});

test('a time that has passed is not the next run', () => {
  const jobs = [job('a', { nextRunAt: '2026-01-15T11:59:00Z' }), job('b', { nextRunAt: '2026-01-15T20:00:00Z' })];
  expect(look({ jobs, overview: overview([good('a'), good('b')]) }).next?.job.id).toBe('b');
});

test('a job with warnings is backed up, and stands apart until they are acknowledged', () => {
  const more = { ...good('a', 2), state: 'succeededWithWarnings' as const, lastGoodRunId: 'r' };
  const how = look({ overview: overview([{ ...more, warnings: 3 }]), jobs: [job('a')] });
  expect([headline(how), how.causes, how.groups.get('a')]).toEqual(['All 2 databases are backed up.', [], 'warned']);
  expect(look({ overview: overview([more]), jobs: [job('a')] }).groups.get('a')).toBe('good');
  expect(markOf(day({ succeeded: 2, withWarnings: 1 }))).toBe('warned');
  expect(markOf(day({ succeeded: 2, withWarnings: 1, partial: 1 }))).toBe('partial');
  expect(dayInWords(day({ succeeded: 2, withWarnings: 1, failed: 1 }))).toBe('2 succeeded (1 with warnings), 1 failed');
});

test('a day is as bad as the worst of it', () => {
  expect(markOf(day({ succeeded: 3, failed: 1 }))).toBe('failed');
  expect(markOf(day({ missed: true }))).toBe('missed');
  expect(dayInWords(day({ succeeded: 3, failed: 1 }))).toBe('3 succeeded, 1 failed');
});
