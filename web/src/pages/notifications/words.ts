/** Rules, channels and messages in words. */
import { counted } from '../../format';
import type { Mark } from '../../parts/State.svelte';
import type { Channel, Content, MessageState, NotificationEvent, Severity } from './read';

/** Names of channels and jobs, by id. */
export type Names = ReadonlyMap<string, string>;

interface EventWords {
  label: string;
  help: string;
  severity: Severity;
}

/** Every event, in the order in which forms show them. */
export const EVENTS: Record<NotificationEvent, EventWords> = {
  failed: { label: 'Failed', help: 'Runs of a job failed.', severity: 'critical' },
  partial: { label: 'Partial', help: 'Runs stored some copies, not all.', severity: 'critical' },
  missed: { label: 'Missed', help: 'A scheduled run is overdue or stuck in the queue.', severity: 'critical' },
  authorization: { label: 'Authorization', help: 'A destination must be authorized.', severity: 'critical' },
  verification: { label: 'Verification', help: 'A stored backup is damaged.', severity: 'critical' },
  warnings: { label: 'Warnings', help: 'A run gave new warnings.', severity: 'warning' },
  interrupted: { label: 'Interrupted', help: 'The server stopped during a run.', severity: 'warning' },
  quota: { label: 'Space', help: 'A destination is nearly full.', severity: 'warning' },
  key: { label: 'Key', help: 'A private key exists only on this server.', severity: 'warning' },
  channel: { label: 'Channel', help: 'Another channel does not deliver.', severity: 'warning' },
  recovered: { label: 'Recovered', help: 'A reported problem is gone.', severity: 'info' },
};
export const ALL_EVENTS = Object.keys(EVENTS) as NotificationEvent[];

export const SEVERITIES: Record<Severity, string> = {
  info: 'Everything',
  warning: 'Warnings and critical',
  critical: 'Critical only',
};
const RANKS: Severity[] = ['info', 'warning', 'critical'];

/** What the outbox names besides the events of rules. */
const OTHER_EVENTS: Record<string, string> = {
  summary: 'Summary after quiet hours',
  digest: 'Digest',
  test: 'Test message',
  start: 'Ping: run started',
  success: 'Ping: run succeeded',
  fail: 'Ping: run failed',
};
export const MESSAGE_EVENTS: [id: string, label: string][] = [
  ...Object.entries(EVENTS).map(([id, { label }]): [string, string] => [id, label]),
  ...Object.entries(OTHER_EVENTS),
];
const eventLabels = new Map(MESSAGE_EVENTS);

export const eventInWords = (event: string): string => eventLabels.get(event) ?? event;

/** Whether an event is below the minimum severity. Recoveries follow what was reported. */
export const isBelow = (event: NotificationEvent, minSeverity: Severity = 'info'): boolean =>
  event !== 'recovered' && RANKS.indexOf(EVENTS[event].severity) < RANKS.indexOf(minSeverity);

/** Labels written out; the others are a count. */
const NAMED = 4;

function list(words: string[], rest: string): string {
  const shown = words.length > NAMED ? words.slice(0, NAMED - 1) : words;
  const more = words.length - shown.length;
  return [...shown, ...(more > 0 ? [`${more} more ${rest}`] : [])].join(', ').replace(/, ([^,]*)$/, ' and $1');
}

const namedIn = (ids: string[], names: Names) => ids.map((id) => names.get(id) ?? 'a removed one');

/** "All events", "Failed, Partial and Missed". */
export function eventsInWords({ events = ALL_EVENTS, minSeverity = 'info' }: Content): string {
  if (events.length === 0) return 'Digest only';
  const sent = ALL_EVENTS.filter((event) => events.includes(event) && !isBelow(event, minSeverity));
  if (!sent.some((event) => event !== 'recovered') && minSeverity !== 'info')
    return 'Nothing above the minimum severity';
  if (events.length === ALL_EVENTS.length) {
    return { info: 'All events', warning: 'Warnings and critical events', critical: 'Critical events' }[minSeverity];
  }
  return list(
    sent.map((event) => EVENTS[event].label),
    'events',
  );
}

/** "All jobs", "shop and crm". */
export const jobsInWords = ({ jobIds }: Content, names: Names): string =>
  jobIds ? list(namedIn(jobIds, names), 'jobs') : 'All jobs';

export const channelsInWords = ({ channelIds }: Content, names: Names): string =>
  list(namedIn(channelIds, names), 'channels');

/** When a rule is silent, repeats itself and sums up, each as a sentence. */
export function timesInWords({ quietHours, reminderHours, digest, timeZone = 'UTC' }: Content): string[] {
  const times = [];
  if (quietHours) times.push(`Quiet from ${quietHours.from} to ${quietHours.until}.`);
  if (reminderHours) times.push(`Reminder every ${reminderHours === 1 ? 'hour' : counted(reminderHours, 'hour')}.`);
  if (digest) times.push(`Digest ${digest.every === 'day' ? 'daily' : 'on Mondays'} at ${digest.at}.`);
  if (quietHours || digest) times.push(`Times are in ${timeZone.replaceAll('_', ' ')}.`);
  return times;
}

/** A whole rule: "All events of all jobs to Ops. Reminder every 24 hours." */
export function ruleInWords(rule: Content, names: Names): string {
  const jobs = rule.jobIds ? jobsInWords(rule, names) : 'all jobs';
  const to = rule.channelIds.length > 0 ? channelsInWords(rule, names) : 'no channel yet';
  return [`${eventsInWords(rule)} of ${jobs} to ${to}.`, ...timesInWords(rule)].join(' ');
}

type ChannelFacts = Pick<Channel, 'enabled' | 'failingSince' | 'lastSentAt'>;
export type ChannelState = 'failing' | 'off' | 'untested' | 'working';

export function channelState({ enabled, failingSince, lastSentAt }: ChannelFacts): ChannelState {
  if (!enabled) return 'off';
  if (failingSince) return 'failing';
  return lastSentAt ? 'working' : 'untested';
}

export const CHANNEL_LOOKS: Record<ChannelState, [Mark, string]> = {
  failing: ['bad', 'Does not deliver'],
  working: ['good', 'Delivers'],
  untested: ['unknown', 'Nothing sent yet'],
  off: ['paused', 'Disabled'],
};

export const MESSAGE_LOOKS: Record<MessageState, [Mark, string]> = {
  waiting: ['queued', 'Waiting'],
  sent: ['succeeded', 'Sent'],
  failed: ['failed', 'Failed'],
  dropped: ['cancelled', 'Dropped'],
};

interface Delivered {
  title?: string;
  text?: string[];
  facts?: { label: string; value: string }[];
}

/** A message's one line; its event where another version stored something else. */
export const titleOf = ({ message, event }: { message: object; event: string }): string =>
  (message as Delivered).title ?? eventInWords(event);

/** A message's paragraphs, then its details. */
export function textOf({ message }: { message: object }): string[] {
  const { text = [], facts = [] } = message as Delivered;
  return [...text, ...facts.map(({ label, value }) => `${label}: ${value}`)];
}
