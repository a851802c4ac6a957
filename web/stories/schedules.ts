/** Schedules of jobs in stories, which never fire while one is told. */

/** Daily, twelve hours from now. */
export function far(): { cron: string; timeZone: string } {
  const at = new Date(Date.now() + 12 * 3_600_000);
  return { cron: `${at.getUTCMinutes()} ${at.getUTCHours()} * * *`, timeZone: 'UTC' };
}
