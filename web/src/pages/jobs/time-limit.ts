/** A time limit as a number and a unit. */
export const UNITS = { minutes: 60, hours: 3600, days: 86_400 };
export type Unit = keyof typeof UNITS;

/** The largest unit that needs no fraction. */
export function limitOf(seconds: number | null | undefined): { value: number | null; unit: Unit } {
  if (!seconds) return { value: null, unit: 'hours' };
  const unit = (['days', 'hours', 'minutes'] as const).find((one) => seconds % UNITS[one] === 0) ?? 'minutes';
  return { value: seconds / UNITS[unit], unit };
}

export const secondsOf = (value: number | null, unit: Unit): number | null =>
  value ? Math.round(value * UNITS[unit]) : null;
