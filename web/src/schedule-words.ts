/** What a cron expression says, as far as words help; the expression itself otherwise. */
import { LAST_DAY, type Schedule, scheduleOf } from './schedule';

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
/** A week as people read it begins on Monday. */
const byWeek = (days: number[]) => [...days].sort((one, other) => ((one + 6) % 7) - ((other + 6) % 7));

const two = (number: number) => String(number).padStart(2, '0');

/** "02:05". */
export const timeInWords = (hour: number, minute: number): string => `${two(hour)}:${two(minute)}`;

const and = (words: string[]) =>
  words.length > 1 ? `${words.slice(0, -1).join(', ')} and ${words.at(-1)}` : (words[0] ?? '');

/** "1st", "22nd". */
export function ordinal(number: number): string {
  const rest = number % 100;
  const ending = rest > 10 && rest < 14 ? 'th' : (['th', 'st', 'nd', 'rd'][number % 10] ?? 'th');
  return `${number}${ending}`;
}

function daysInWords(days: number[]): string {
  const key = byWeek(days).join('');
  if (days.length === 7) return 'Daily';
  if (key === '12345') return 'Monday to Friday';
  if (key === '60') return 'Saturday and Sunday';
  return `Every ${and(byWeek(days).map((day) => DAYS[day] ?? ''))}`;
}

/** "15 minutes", "6 hours". */
export const intervalInWords = (minutes: number): string =>
  minutes < 60 ? `${minutes} minutes` : minutes === 60 ? 'hour' : `${minutes / 60} hours`;

/** The times of a step that does not divide evenly: it starts anew with each hour or day. */
function unevenInWords(cron: string): string | undefined {
  const [minute = '', hour = '', ...rest] = cron.trim().split(/\s+/);
  if (rest.join(' ') !== '* * *') return undefined;
  const step = (field: string) => Number(/^\*\/(\d+)$/.exec(field)?.[1]);
  const upTo = (most: number, by: number) => Array.from({ length: Math.ceil(most / by) }, (_, index) => index * by);
  const few = 8;
  if (hour === '*' && step(minute) > 0 && 60 / step(minute) <= few) {
    return `Hourly at ${and(upTo(60, step(minute)).map((one) => `:${two(one)}`))}`;
  }
  if (/^\d+$/.test(minute) && step(hour) > 0 && 24 / step(hour) <= few) {
    return `Daily at ${and(upTo(24, step(hour)).map((one) => timeInWords(one, Number(minute))))}`;
  }
  return undefined;
}

function scheduleInWords(schedule: Schedule): string {
  switch (schedule.kind) {
    case 'days':
      return `${daysInWords(schedule.days)} at ${and(schedule.hours.map((hour) => timeInWords(hour, schedule.minute)))}`;
    case 'month': {
      const day = schedule.day === LAST_DAY ? 'last day' : ordinal(schedule.day);
      return `Monthly, on the ${day} at ${timeInWords(schedule.hour, schedule.minute)}`;
    }
    case 'interval':
      if (schedule.minutes < 60) return `Every ${intervalInWords(schedule.minutes)}`;
      if (schedule.minutes === 60) return `Hourly at :${two(schedule.offset)}`;
      return `Every ${intervalInWords(schedule.minutes)}${schedule.offset === 0 ? ', on the hour' : ` at :${two(schedule.offset)}`}`;
    case 'cron':
      return unevenInWords(schedule.cron) ?? `Cron: ${schedule.cron.trim()}`;
  }
}

export const inWords = (cron: string): string => scheduleInWords(scheduleOf(cron));
