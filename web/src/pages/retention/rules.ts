/** Retention rules in words, and what they keep of an imagined job: the part that needs no browser. */
import type { components } from '../../api/schema';

export type Rules = Required<components['schemas']['Rules']>;
export type Rule = keyof Rules;

export const NO_RULES: Rules = {
  keepLast: 0,
  keepWithinDays: 0,
  keepHourly: 0,
  keepDaily: 0,
  keepWeekly: 0,
  keepMonthly: 0,
  keepYearly: 0,
};

/** A rule as a sentence with a number in it. */
export interface RuleWords {
  rule: Rule;
  before: string;
  after: string;
  /** Shown only on demand: few people need it. */
  rare?: boolean;
}

export const RULES: RuleWords[] = [
  { rule: 'keepLast', before: 'Keep the', after: 'newest backups, whatever their age' },
  { rule: 'keepWithinDays', before: 'Keep every backup of the last', after: 'days' },
  { rule: 'keepHourly', before: 'Keep one backup per hour for the last', after: 'hours that have one', rare: true },
  { rule: 'keepDaily', before: 'Keep one backup per day for the last', after: 'days that have one' },
  { rule: 'keepWeekly', before: 'Keep one backup per week for the last', after: 'weeks that have one' },
  { rule: 'keepMonthly', before: 'Keep one backup per month for the last', after: 'months that have one' },
  { rule: 'keepYearly', before: 'Keep one backup per year for the last', after: 'years that have one' },
];

export interface Preset {
  id: string;
  label: string;
  help: string;
  rules: Rules;
}

/** What most people want; the first one is the default. */
export const PRESETS: Preset[] = [
  {
    id: 'standard',
    label: 'Standard',
    help: 'Every day of the last week, then fewer and fewer, back to a year.',
    rules: { ...NO_RULES, keepLast: 3, keepDaily: 7, keepWeekly: 4, keepMonthly: 12 },
  },
  {
    id: 'short',
    label: 'Two weeks',
    help: 'Every backup of the last 14 days, nothing older.',
    rules: { ...NO_RULES, keepLast: 3, keepWithinDays: 14 },
  },
  {
    id: 'long',
    label: 'Long term',
    help: 'A month of days, a quarter of weeks, two years of months, ten years.',
    rules: { ...NO_RULES, keepLast: 3, keepDaily: 30, keepWeekly: 13, keepMonthly: 24, keepYearly: 10 },
  },
  {
    id: 'last',
    label: 'Only the newest',
    help: 'The newest 10 backups, however often the job runs.',
    rules: { ...NO_RULES, keepLast: 10 },
  },
];

export const sameRules = (one: Rules, other: Rules): boolean =>
  RULES.every(({ rule }) => (one[rule] || 0) === (other[rule] || 0));

/** The server leaves out what is zero. */
export const wholeRules = (rules: Partial<Rules> | undefined): Rules => ({ ...NO_RULES, ...rules });

const PARTS: [Rule, (count: number) => string][] = [
  ['keepLast', (count) => (count === 1 ? 'the newest' : `the newest ${count}`)],
  ['keepWithinDays', (count) => (count === 1 ? 'all of the last day' : `all of the last ${count} days`)],
  ['keepHourly', (count) => `${count} hourly`],
  ['keepDaily', (count) => `${count} daily`],
  ['keepWeekly', (count) => `${count} weekly`],
  ['keepMonthly', (count) => `${count} monthly`],
  ['keepYearly', (count) => `${count} yearly`],
];

/** "The newest 3, 7 daily, 4 weekly". */
export function rulesInWords(rules: Partial<Rules>): string {
  const words = PARTS.filter(([rule]) => rules[rule]).map(([rule, say]) => say(rules[rule] ?? 0));
  const text = words.join(', ');
  return text ? text.charAt(0).toUpperCase() + text.slice(1) : 'Nothing but the newest two';
}

const DAY = 86_400_000;
/** Years of daily backups that an example has. */
const YEARS = 12;

export interface Example {
  /** Ages of what is kept, in days, the newest first. */
  kept: number[];
  /** Age of the oldest one that is kept, in days. */
  oldest: number;
}

const FLOOR = 2;

/** What rules keep of a job that has run at 03:00 UTC every day for years. */
export function exampleOf(rules: Partial<Rules>, now: Date): Example {
  const newest = new Date(now);
  newest.setUTCHours(3, 0, 0, 0);
  if (newest > now) newest.setTime(newest.getTime() - DAY);
  const kept = new Set<number>();
  const add = (count: number, from = 0) => {
    for (let age = from; age < count; age += 1) kept.add(age);
  };
  add(Math.max(FLOOR, rules.keepLast ?? 0));
  add(rules.keepWithinDays ?? 0);
  // A job that runs once a day has one backup in an hour of a day.
  const periods: [number | undefined, (date: Date) => string][] = [
    [rules.keepHourly, (date) => date.toISOString().slice(0, 13)],
    [rules.keepDaily, (date) => date.toISOString().slice(0, 10)],
    [rules.keepWeekly, (date) => String(Math.floor((date.getTime() / DAY + 3) / 7))],
    [rules.keepMonthly, (date) => date.toISOString().slice(0, 7)],
    [rules.keepYearly, (date) => date.toISOString().slice(0, 4)],
  ];
  for (const [count, nameOf] of periods) {
    const names = new Set<string>();
    for (let age = 0; age < YEARS * 366 && names.size < (count ?? 0); age += 1) {
      const name = nameOf(new Date(newest.getTime() - age * DAY));
      if (!names.has(name)) kept.add(age);
      names.add(name);
    }
  }
  const ages = [...kept].filter((age) => age < YEARS * 366).sort((one, other) => one - other);
  return { kept: ages, oldest: ages.at(-1) ?? 0 };
}

/** "3 weeks", "2 years": an age in the largest unit that has at least two of them. */
export function ageInWords(days: number): string {
  const steps: [string, number][] = [
    ['year', 365],
    ['month', 30],
    ['week', 7],
  ];
  const step = steps.find(([, length]) => days >= length * 2);
  const [unit, length] = step ?? ['day', 1];
  const number = Math.round(days / length);
  return `${number} ${unit}${number === 1 ? '' : 's'}`;
}
