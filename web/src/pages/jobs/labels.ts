/** What the fields of a job's form are called, by the names that the server has for them. */
export const LABELS = {
  name: 'Name',
  sourceId: 'Source',
  databases: 'Databases',
  destinationIds: 'Destinations',
  compression: 'Compression',
  profileId: 'Encryption profile',
  'schedule.cron': 'Runs',
  'schedule.timeZone': 'Time zone',
  timeoutSeconds: 'Time limit',
  retention: 'Retention',
  acknowledgedWarnings: 'Acknowledged warnings',
};
