import { expect, test } from 'vitest';
import { cronOf, EVERY_DAY, LAST_DAY, scheduleOf } from './schedule';

test.each([
  ['0 * * * *', { kind: 'interval', minutes: 60, offset: 0 }],
  ['0 3 * * *', { kind: 'days', days: EVERY_DAY, hours: [3], minute: 0 }],
  ['0 3 * * 0', { kind: 'days', days: [0], hours: [3], minute: 0 }],
  ['0 3 1 * *', { kind: 'month', day: 1, hour: 3, minute: 0 }],
  ['30 2 * * 1-5', { kind: 'days', days: [1, 2, 3, 4, 5], hours: [2], minute: 30 }],
  ['30 1,13 * * *', { kind: 'days', days: EVERY_DAY, hours: [1, 13], minute: 30 }],
  ['15 */6 * * *', { kind: 'interval', minutes: 360, offset: 15 }],
  ['*/10 * * * *', { kind: 'interval', minutes: 10, offset: 0 }],
  ['0 5 L * *', { kind: 'month', day: LAST_DAY, hour: 5, minute: 0 }],
])('%s is loaded into the editor, and written back as it was', (cron, schedule) => {
  expect(scheduleOf(cron)).toEqual(schedule);
  expect(cronOf(scheduleOf(cron))).toBe(cron);
});

test.each([
  '*/45 * * * *',
  '0 */5 * * *',
  '0 5 1 1 *',
  '0 5 1 * 1',
  '0 5 1,15 * *',
  '0 9-17/2 * * *',
  '0 3 * * MON-FRI',
  '0 3 * * 1#2',
  '60 3 * * *',
  '0 24 * * *',
  '@daily',
  '0 0 3 * * *',
  '',
])('%s stays an expression of its own', (cron) => {
  expect(scheduleOf(cron)).toEqual({ kind: 'cron', cron });
});

test('Sunday is the same day as 7 and as 0', () => {
  expect(scheduleOf('0 3 * * 6,7')).toEqual({ kind: 'days', days: [0, 6], hours: [3], minute: 0 });
  expect(cronOf({ kind: 'days', days: [6, 0], hours: [3], minute: 0 })).toBe('0 3 * * 0,6');
});
