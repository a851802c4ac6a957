/** Numbers and times as the reader writes them. */
const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat(undefined, { minimumFractionDigits: 1, maximumFractionDigits: 1 });

const sized = (bytes: number, decimals: Intl.NumberFormat): string => {
  let value = bytes;
  let unit = 0;
  // 1023.95 would be written as 1024.0.
  while (value >= 1023.95 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${(unit === 0 ? whole : decimals).format(value)} ${UNITS[unit]}`;
};

/** Binary units, one decimal: "1.5 GiB". */
export const size = (bytes: number): string => sized(bytes, tenths);

const short = new Intl.NumberFormat(undefined, { maximumFractionDigits: 2 });

/** A round size, as on an axis: "512 MiB", "1.5 GiB". */
export const wholeSize = (bytes: number): string => sized(bytes, short);

const hundredths = new Intl.NumberFormat(undefined, { style: 'percent', maximumFractionDigits: 0 });

/** A share of 1: "42%". Nothing is said to be complete that is not. */
export const percent = (share: number): string => hundredths.format(share < 1 ? Math.min(share, 0.99) : 1);

export const count = (value: number): string => whole.format(value);

/** "1 job", "12 jobs". */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${whole.format(value)} ${value === 1 ? one : many}`;
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
];
const relative = new Intl.RelativeTimeFormat(undefined, { style: 'narrow', numeric: 'always' });

/** "3h ago", "in 5 min", as the reader's language has it. */
export function ago(time: string | Date, now: Date): string {
  const seconds = (new Date(time).getTime() - now.getTime()) / 1000;
  const step = STEPS.find(([, length]) => Math.abs(seconds) >= length);
  if (!step) return Math.abs(seconds) < 10 ? 'now' : relative.format(Math.trunc(seconds), 'second');
  return relative.format(Math.trunc(seconds / step[1]), step[0]);
}

const moment = new Intl.DateTimeFormat(undefined, {
  year: 'numeric',
  month: 'short',
  day: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  timeZoneName: 'short',
});

/** The whole of it, in the reader's zone. */
export const absolute = (time: string | Date): string => moment.format(new Date(time));

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
export const timeOfDay = (time: string | Date): string => clock.format(new Date(time));

const date = new Intl.DateTimeFormat(undefined, { weekday: 'short', day: 'numeric', month: 'short', timeZone: 'UTC' });
/** A day without a time, `2026-01-15`: "Thu, 15 Jan". */
export const day = (text: string): string => date.format(new Date(text));

/** "4 s", "3 min 20 s", "2 h 5 min". */
export function duration(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds) / 1000;
  if (seconds < 10) return `${tenths.format(seconds)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}
