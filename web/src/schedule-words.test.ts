import { expect, test } from 'vitest';
import { inWords, ordinal } from './schedule-words';

test.each([
  ['0 3 * * *', 'Daily at 03:00'],
  ['30 1,13 * * *', 'Daily at 01:30 and 13:30'],
  ['0 9-11 * * *', 'Daily at 09:00, 10:00 and 11:00'],
  ['15 * * * *', 'Hourly at :15'],
  ['0 */6 * * *', 'Every 6 hours, on the hour'],
  ['30 */6 * * *', 'Every 6 hours at :30'],
  ['*/10 * * * *', 'Every 10 minutes'],
  ['0 22 * * 1-5', 'Monday to Friday at 22:00'],
  ['0 22 * * 6,0', 'Saturday and Sunday at 22:00'],
  ['5 4 * * 0', 'Every Sunday at 04:05'],
  ['5 4 * * 1,7', 'Every Monday and Sunday at 04:05'],
  ['0 5 1 * *', 'Monthly, on the 1st at 05:00'],
  ['0 5 L * *', 'Monthly, on the last day at 05:00'],
  ['0 5 1 1 *', 'Cron: 0 5 1 1 *'],
  ['5 4 1 * 1', 'Cron: 5 4 1 * 1'],
])('%s is said as "%s"', (cron, words) => expect(inWords(cron)).toBe(words));

test.each([
  ['*/45 * * * *', 'Hourly at :00 and :45'],
  ['*/25 * * * *', 'Hourly at :00, :25 and :50'],
  ['*/7 * * * *', 'Cron: */7 * * * *'],
  ['0 */5 * * *', 'Daily at 00:00, 05:00, 10:00, 15:00 and 20:00'],
  ['30 */9 * * *', 'Daily at 00:30, 09:30 and 18:30'],
])('%s does not divide evenly, so it is not said to come every so often: "%s"', (cron, words) =>
  expect(inWords(cron)).toBe(words),
);

test('ordinals', () =>
  expect([1, 2, 3, 4, 11, 12, 13, 21, 22, 31].map(ordinal).join(' ')).toBe(
    '1st 2nd 3rd 4th 11th 12th 13th 21st 22nd 31st',
  ));
