import { expect, test } from 'vitest';
import type { Content } from './read';
import { contentOf, draftOf, newDraft } from './rule';
import {
  ALL_EVENTS,
  channelState,
  eventInWords,
  eventsInWords,
  isBelow,
  ruleInWords,
  textOf,
  timesInWords,
  titleOf,
} from './words';

const names = new Map([
  ['c', 'Ops'],
  ['d', 'On call'],
  ['j', 'shop'],
]);
const rule = (more: Partial<Content> = {}): Content => ({
  events: ALL_EVENTS,
  minSeverity: 'info',
  channelIds: ['c'],
  timeZone: 'UTC',
  ...more,
});

test('a rule reads as sentences', () => {
  expect(ruleInWords(rule(), names)).toBe('All events of all jobs to Ops.');
  const chosen = rule({
    events: ['failed', 'recovered'],
    jobIds: ['j', 'gone'],
    channelIds: ['c', 'd'],
    reminderHours: 24,
    digest: { every: 'week', at: '08:00' },
    timeZone: 'America/New_York',
  });
  expect(ruleInWords(chosen, names)).toBe(
    'Failed and Recovered of shop and a removed one to Ops and On call. ' +
      'Reminder every 24 hours. Digest on Mondays at 08:00. Times are in America/New York.',
  );
  expect(ruleInWords(rule({ channelIds: [] }), names)).toBe('All events of all jobs to no channel yet.');
});

test('events below the minimum severity are not promised', () => {
  expect(eventsInWords(rule({ minSeverity: 'critical' }))).toBe('Critical events');
  expect(eventsInWords(rule({ events: ['failed', 'warnings'], minSeverity: 'critical' }))).toBe('Failed');
  expect(eventsInWords(rule({ events: ['warnings'], minSeverity: 'critical' }))).toBe(
    'Nothing above the minimum severity',
  );
  expect(eventsInWords(rule({ events: ['warnings', 'recovered'], minSeverity: 'critical' }))).toBe(
    'Nothing above the minimum severity',
  );
  expect(eventsInWords(rule({ events: ['recovered'] }))).toBe('Recovered');
  expect(eventsInWords(rule({ events: [], digest: { every: 'day', at: '08:00' } }))).toBe('Digest only');
  expect(isBelow('recovered', 'critical')).toBe(false);
});

test('long lists end with a count', () => {
  const events = ALL_EVENTS.slice(0, 6);
  expect(eventsInWords(rule({ events }))).toBe('Failed, Partial, Missed and 3 more events');
});

test('a time zone is only named where times depend on it', () => {
  expect(timesInWords(rule({ reminderHours: 1 }))).toEqual(['Reminder every hour.']);
  expect(timesInWords(rule({ quietHours: { from: '22:00', until: '07:00' } }))).toEqual([
    'Quiet from 22:00 to 07:00.',
    'Times are in UTC.',
  ]);
});

test('a disabled channel is not a failing one, and one without a message is not known to deliver', () => {
  const failing = { enabled: true, failingSince: '2026-01-15T03:00:00Z', lastSentAt: '2026-01-14T03:00:00Z' };
  expect(channelState(failing)).toBe('failing');
  expect(channelState({ ...failing, enabled: false })).toBe('off');
  expect(channelState({ enabled: true })).toBe('untested');
  expect(channelState({ enabled: true, lastSentAt: failing.lastSentAt })).toBe('working');
});

test('an event that this version does not know keeps its own name', () => {
  expect(eventInWords('digest')).toBe('Digest');
  expect(eventInWords('somethingNew')).toBe('somethingNew');
});

test('a rule survives the form unchanged, and what is switched off is left out', () => {
  const whole = rule({
    events: ['failed', 'recovered'],
    jobIds: ['j'],
    quietHours: { from: '23:00', until: '06:30' },
    reminderHours: 6,
    digest: { every: 'day', at: '09:00' },
  });
  expect(contentOf(draftOf(whole))).toEqual(whole);
  expect(contentOf(draftOf(rule()))).toEqual(rule());
});

test('a new rule sends all failures of all jobs, and their end', () => {
  const content = contentOf(newDraft(['c'], 'Europe/Zurich'));
  expect(content.jobIds).toBeUndefined();
  expect(content.quietHours).toBeUndefined();
  expect(content.events).toEqual(
    expect.arrayContaining(['failed', 'partial', 'missed', 'authorization', 'verification', 'recovered']),
  );
  expect(content).toMatchObject({ channelIds: ['c'], minSeverity: 'info', timeZone: 'Europe/Zurich' });
});

test('a message shows its text and details, and its event if it has no title', () => {
  const message = { title: 'shop failed', text: ['No space left.'], facts: [{ label: 'Job', value: 'shop' }] };
  expect(titleOf({ event: 'failed', message })).toBe('shop failed');
  expect(textOf({ message })).toEqual(['No space left.', 'Job: shop']);
  expect(titleOf({ event: 'digest', message: {} })).toBe('Digest');
  expect(textOf({ message: {} })).toEqual([]);
});
