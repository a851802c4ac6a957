/** A plan as a calendar: days of the job's time zone, with what stays and what goes. */
import type { components } from '../../api/schema';

export type Plan = components['schemas']['RetentionPlan'];
export type Planned = components['schemas']['PlannedBackup'];

export interface PlanDay {
  /** `2026-01-15` */
  date: string;
  /** The newest first. */
  backups: Planned[];
  kept: number;
  going: number;
}

export interface PlanMonth {
  /** `2026-01` */
  id: string;
  /** Days before the first one in its week, which begins on Monday. */
  offset: number;
  /** Every day of the month. */
  days: PlanDay[];
  kept: number;
  going: number;
}

/** Names the day of a time in a zone, `2026-01-15`; in UTC where the browser does not know the zone. */
export function dayNamer(timeZone: string): (time: string) => string {
  const parts = { year: 'numeric', month: '2-digit', day: '2-digit' } as const;
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-CA', { ...parts, timeZone });
  } catch {
    format = new Intl.DateTimeFormat('en-CA', { ...parts, timeZone: 'UTC' });
  }
  return (time) => format.format(new Date(time));
}

/** The months that have backups, the newest first. */
export function monthsOf(items: Planned[], timeZone: string): PlanMonth[] {
  const dayOf = dayNamer(timeZone);
  const days = new Map<string, Planned[]>();
  for (const item of items) {
    const day = dayOf(item.time);
    const list = days.get(day);
    if (list) list.push(item);
    else days.set(day, [item]);
  }
  const ids = new Set([...days.keys()].map((day) => day.slice(0, 7)));
  return [...ids]
    .sort()
    .reverse()
    .map((id) => monthOf(id, days));
}

function monthOf(id: string, backups: Map<string, Planned[]>): PlanMonth {
  const [year = 1970, month = 1] = id.split('-').map(Number);
  const length = new Date(Date.UTC(year, month, 0)).getUTCDate();
  const days = Array.from({ length }, (_, index) => {
    const date = `${id}-${String(index + 1).padStart(2, '0')}`;
    const list = backups.get(date) ?? [];
    const kept = list.filter(({ keep }) => keep).length;
    return { date, backups: list, kept, going: list.length - kept };
  });
  return {
    id,
    offset: (new Date(Date.UTC(year, month - 1, 1)).getUTCDay() + 6) % 7,
    days,
    kept: days.reduce((sum, day) => sum + day.kept, 0),
    going: days.reduce((sum, day) => sum + day.going, 0),
  };
}

/** "1 stays, 2 go". */
export function dayInWords({ kept, going }: Pick<PlanDay, 'kept' | 'going'>): string {
  const parts = [
    kept > 0 ? `${kept} ${kept === 1 ? 'stays' : 'stay'}` : '',
    going > 0 ? `${going} ${going === 1 ? 'goes' : 'go'}` : '',
  ];
  return parts.filter(Boolean).join(', ') || 'no backups';
}

/** The databases of a plan; one without a name is the only one of its source. */
export const databasesOf = ({ items }: Plan): string[] =>
  [...new Set(items.flatMap(({ database }) => database ?? []))].sort();
