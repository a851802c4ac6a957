/** A notification rule while it is edited: every choice has a value, also those that are switched off. */
import type { Content, NotificationEvent, Severity } from './read';
import { ALL_EVENTS } from './words';

export interface Draft {
  events: NotificationEvent[];
  minSeverity: Severity;
  channelIds: string[];
  allJobs: boolean;
  jobIds: string[];
  hasQuietHours: boolean;
  quietFrom: string;
  quietUntil: string;
  /** Empty: no reminders. */
  reminderHours: number | null;
  digest: 'none' | 'day' | 'week';
  digestAt: string;
  timeZone: string;
}

/** What a new rule sends: failures, and what hides or ends them. */
const FAILURES: NotificationEvent[] = [
  'failed',
  'partial',
  'missed',
  'authorization',
  'verification',
  'interrupted',
  'channel',
  'recovered',
];
/** Every day, a problem that lasts is worth a reminder. */
const REMINDER_HOURS = 24;
const QUIET = { from: '22:00', until: '07:00' };
const DIGEST_AT = '08:00';

/** A rule that reports all failures of all jobs. */
export const newDraft = (channelIds: string[], timeZone: string): Draft => ({
  events: FAILURES,
  minSeverity: 'info',
  channelIds,
  allJobs: true,
  jobIds: [],
  hasQuietHours: false,
  quietFrom: QUIET.from,
  quietUntil: QUIET.until,
  reminderHours: REMINDER_HOURS,
  digest: 'none',
  digestAt: DIGEST_AT,
  timeZone,
});

export const draftOf = (rule: Content): Draft => ({
  events: rule.events ?? ALL_EVENTS,
  minSeverity: rule.minSeverity ?? 'info',
  channelIds: rule.channelIds,
  allJobs: !rule.jobIds,
  jobIds: rule.jobIds ?? [],
  hasQuietHours: Boolean(rule.quietHours),
  quietFrom: rule.quietHours?.from ?? QUIET.from,
  quietUntil: rule.quietHours?.until ?? QUIET.until,
  reminderHours: rule.reminderHours ?? null,
  digest: rule.digest?.every ?? 'none',
  digestAt: rule.digest?.at ?? DIGEST_AT,
  timeZone: rule.timeZone ?? 'UTC',
});

/** The rule as the server takes it: what is switched off is left out. */
export const contentOf = (draft: Draft): Content => ({
  // In one order, whatever order they were ticked in.
  events: ALL_EVENTS.filter((event) => draft.events.includes(event)),
  minSeverity: draft.minSeverity,
  channelIds: draft.channelIds,
  ...(!draft.allJobs && { jobIds: draft.jobIds }),
  ...(draft.hasQuietHours && { quietHours: { from: draft.quietFrom, until: draft.quietUntil } }),
  ...(typeof draft.reminderHours === 'number' && { reminderHours: draft.reminderHours }),
  ...(draft.digest !== 'none' && { digest: { every: draft.digest, at: draft.digestAt } }),
  timeZone: draft.timeZone,
});
