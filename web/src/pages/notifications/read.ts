/** What the pages about notifications read and change. */
import { api, ask, everything, ifMatch, PAGE } from '../../api/client';
import type { components } from '../../api/schema';
import { allAdapters } from '../../parts/adapters';
import { allJobs } from '../../parts/lists';

type Schemas = components['schemas'];
export type Channel = Schemas['Channel'];
export type ChannelInput = Schemas['ChannelInput'];
export type NotificationRule = Schemas['NotificationRule'];
/** What a rule sends, and when. */
export type Content = Schemas['NotificationRuleContent'];
export type NotificationEvent = NonNullable<Content['events']>[number];
export type Severity = NonNullable<Content['minSeverity']>;
export type OutboxMessage = Schemas['OutboxMessage'];
export type MessageState = OutboxMessage['state'];

/** Messages on one page. */
const MESSAGES_PER_PAGE = 100;

export const allChannels = () =>
  everything((cursor) => ask(api.GET('/api/channels', { params: { query: { cursor, limit: PAGE } } })));
export const allRules = () =>
  everything((cursor) => ask(api.GET('/api/notification-rules', { params: { query: { cursor, limit: PAGE } } })));

/** Channels with the rules that use them. */
export async function readChannels() {
  const [channels, rules, adapters] = await Promise.all([allChannels(), allRules(), allAdapters()]);
  return { channels, rules, adapters: adapters.channels };
}

/** A channel, or nothing for a new one, with what its page needs. */
export async function readChannel(id: string | undefined) {
  const [channel, rules, adapters] = await Promise.all([
    id ? ask(api.GET('/api/channels/{id}', { params: { path: { id } } })) : undefined,
    allRules(),
    allAdapters(),
  ]);
  return { channel, rules: rulesOf(id, rules), adapters: adapters.channels };
}

/** Rules with the names of what they mention. */
export async function readRules() {
  const [rules, channels, jobs] = await Promise.all([allRules(), allChannels(), allJobs()]);
  return { rules, channels, names: namesOf(channels, jobs) };
}

/** A rule, or nothing for a new one, with what its form offers. */
export async function readRule(id: string | undefined) {
  const [rule, channels, jobs, adapters] = await Promise.all([
    id ? ask(api.GET('/api/notification-rules/{id}', { params: { path: { id } } })) : undefined,
    allChannels(),
    allJobs(),
    allAdapters(),
  ]);
  return { rule, channels, jobs, adapters: adapters.channels };
}

const namesOf = (...lists: { id: string; name: string }[][]) =>
  new Map(lists.flat().map(({ id, name }) => [id, name] as const));

/** The rules that use a channel. */
export const rulesOf = (channel: string | undefined, rules: NotificationRule[]): NotificationRule[] =>
  rules.filter(({ rule }) => channel !== undefined && rule.channelIds.includes(channel));

export interface MessageQuery {
  state?: MessageState;
  channelId?: string;
  event?: string;
}

export const messagesAfter = (query: MessageQuery, cursor?: string) =>
  ask(api.GET('/api/outbox', { params: { query: { ...query, cursor, limit: MESSAGES_PER_PAGE } } }));

/** Enables or disables a channel, unless someone else has changed it. */
export const enable = ({ id, revision }: Channel, enabled: boolean) =>
  ask(
    api.PATCH('/api/channels/{id}', {
      params: { path: { id }, header: ifMatch(revision) },
      body: { enabled } as object,
    }),
  );
