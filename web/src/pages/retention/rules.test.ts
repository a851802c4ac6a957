import { expect, test } from 'vitest';
import { ageInWords, exampleOf, NO_RULES, PRESETS, rulesInWords, sameRules, wholeRules } from './rules';

const NOW = new Date('2026-11-26T12:00:00Z');

test('rules are said in the words of the job page', () => {
  expect(rulesInWords({ keepLast: 3, keepDaily: 7, keepWeekly: 4, keepMonthly: 12 })).toBe(
    'The newest 3, 7 daily, 4 weekly, 12 monthly',
  );
  expect(rulesInWords({ keepWithinDays: 14 })).toBe('All of the last 14 days');
  expect(rulesInWords({ keepLast: 1, keepWithinDays: 1 })).toBe('The newest, all of the last day');
  expect(rulesInWords(NO_RULES)).toBe('Nothing but the newest two');
});

test('the example keeps what the server would keep of daily backups', () => {
  expect(exampleOf({ keepLast: 5 }, NOW).kept).toEqual([0, 1, 2, 3, 4]);
  expect(exampleOf({ keepDaily: 3, keepHourly: 2 }, NOW).kept).toEqual([0, 1, 2]);
  // A Thursday: the newest of each ISO week is the Sunday before.
  expect(exampleOf({ keepWeekly: 3 }, NOW).kept).toEqual([0, 1, 4, 11]);
  // The newest of October is its last day, 26 days before.
  expect(exampleOf({ keepMonthly: 2 }, NOW).kept).toEqual([0, 1, 26]);
  expect(exampleOf({ keepYearly: 2 }, NOW).kept).toEqual([0, 1, 330]);
});

test('the newest two are in every example: no rule deletes them', () => {
  expect(exampleOf(NO_RULES, NOW).kept).toEqual([0, 1]);
});

test('presets are told from rules of the own, whatever the server leaves out', () => {
  const [standard, short] = PRESETS;
  expect(
    sameRules(standard?.rules ?? NO_RULES, wholeRules({ keepLast: 3, keepDaily: 7, keepWeekly: 4, keepMonthly: 12 })),
  ).toBe(true);
  expect(sameRules(standard?.rules ?? NO_RULES, short?.rules ?? NO_RULES)).toBe(false);
});

test.each([
  [1, '1 day'],
  [13, '13 days'],
  [26, '4 weeks'],
  [70, '2 months'],
  [330, '11 months'],
  [3650, '10 years'],
])('%i days are %s', (days, words) => expect(ageInWords(days)).toBe(words));
