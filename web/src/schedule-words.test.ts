import { expect, test } from 'vitest';
import { inWords } from './schedule-words';

test.each([
  ['0 3 * * *', 'Every day at 03:00'],
  ['30 1,13 * * *', 'Every day at 01:30 and 13:30'],
  ['15 * * * *', 'Every hour at :15'],
  ['0 */6 * * *', 'Every 6 hours at :00'],
  ['*/10 * * * *', 'Every 10 minutes'],
  ['0 22 * * 1-5', 'Monday to Friday at 22:00'],
  ['5 4 * * 0', 'Every Sunday at 04:05'],
  ['5 4 * * 1,7', 'Every Monday, Sunday at 04:05'],
  ['0 5 1 * *', 'On day 1 of every month at 05:00'],
  ['0 5 1 1 *', 'By the cron expression 0 5 1 1 *'],
  ['0 5 L * *', 'By the cron expression 0 5 L * *'],
  ['0 9-17 * * *', 'By the cron expression 0 9-17 * * *'],
])('%s is said as "%s"', (cron, words) => expect(inWords(cron)).toBe(words));
