/** A cron expression as what people choose: days, times, intervals; any other expression stays what it is. */

export type Schedule =
  | { kind: 'days'; days: number[]; hours: number[]; minute: number }
  | { kind: 'month'; day: number; hour: number; minute: number }
  | { kind: 'interval'; minutes: number; offset: number }
  | { kind: 'cron'; cron: string };

/** Sunday is 0, as in cron. */
export const EVERY_DAY = [0, 1, 2, 3, 4, 5, 6];
/** The day of a month that is its last one, whichever that is. */
export const LAST_DAY = 32;
/** Minutes that divide an hour or a day evenly: other steps start anew with each hour or day. */
export const INTERVALS = [5, 10, 15, 20, 30, 60, 120, 180, 240, 360, 480, 720];

const HOUR = 60;
const PLAIN = /^\d+$/;

/** The numbers of a field, `1-5` or `1,13`; absent if it says something else, or has numbers outside of its range. */
function numbersOf(field: string, least: number, most: number): number[] | undefined {
  const numbers = new Set<number>();
  for (const part of field.split(',')) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part);
    if (!match) return undefined;
    const [from, to] = [Number(match[1]), Number(match[2] ?? match[1])];
    if (from < least || to > most || from > to) return undefined;
    for (let number = from; number <= to; number += 1) numbers.add(number);
  }
  return [...numbers].sort((one, other) => one - other);
}

/** Reads a cron expression. */
export function scheduleOf(cron: string): Schedule {
  const other: Schedule = { kind: 'cron', cron };
  const [minute = '', hour = '', day = '', month = '', weekday = '', ...more] = cron.trim().split(/\s+/);
  if (more.length > 0 || month !== '*') return other;
  const isEveryDay = day === '*' && weekday === '*';
  if (isEveryDay && (hour === '*' || hour.startsWith('*/'))) return intervalOf(minute, hour) ?? other;
  if (!PLAIN.test(minute) || Number(minute) >= HOUR) return other;
  const hours = numbersOf(hour, 0, 23);
  if (!hours) return other;
  const at = { hours, minute: Number(minute) };
  if (day === '*') {
    const days = weekday === '*' ? EVERY_DAY : numbersOf(weekday, 0, 7);
    if (!days) return other;
    return { kind: 'days', days: [...new Set(days.map((one) => one % 7))].sort((one, two) => one - two), ...at };
  }
  const ofMonth = day === 'L' ? LAST_DAY : PLAIN.test(day) ? Number(day) : 0;
  const [first] = hours;
  if (weekday !== '*' || ofMonth < 1 || ofMonth > LAST_DAY || hours.length !== 1 || first === undefined) return other;
  return { kind: 'month', day: ofMonth, hour: first, minute: at.minute };
}

function intervalOf(minute: string, hour: string): Schedule | undefined {
  const every = /^\*\/(\d+)$/;
  const step = every.exec(minute)?.[1];
  if (step && hour === '*' && INTERVALS.includes(Number(step)) && Number(step) < HOUR) {
    return { kind: 'interval', minutes: Number(step), offset: 0 };
  }
  if (!PLAIN.test(minute) || Number(minute) >= HOUR) return undefined;
  const minutes = hour === '*' ? HOUR : Number(every.exec(hour)?.[1]) * HOUR;
  return INTERVALS.includes(minutes) ? { kind: 'interval', minutes, offset: Number(minute) } : undefined;
}

function weekdays(days: number[]): string {
  const sorted = [...days].sort((one, other) => one - other);
  if (sorted.length === 7) return '*';
  const [first = 0, last = 0] = [sorted[0], sorted.at(-1)];
  return sorted.length > 2 && last - first === sorted.length - 1 ? `${first}-${last}` : sorted.join(',');
}

/** Writes a schedule as a cron expression. */
export function cronOf(schedule: Schedule): string {
  switch (schedule.kind) {
    case 'days':
      return `${schedule.minute} ${schedule.hours.join(',')} * * ${weekdays(schedule.days)}`;
    case 'month':
      return `${schedule.minute} ${schedule.hour} ${schedule.day === LAST_DAY ? 'L' : schedule.day} * *`;
    case 'interval':
      if (schedule.minutes < HOUR) return `*/${schedule.minutes} * * * *`;
      return `${schedule.offset} ${schedule.minutes === HOUR ? '*' : `*/${schedule.minutes / HOUR}`} * * *`;
    case 'cron':
      return schedule.cron;
  }
}
