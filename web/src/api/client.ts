/** The one way to ask the server: typed by its own description, failures as sentences. */
import createClient from 'openapi-fetch';
import type { components, paths } from './schema';

type Schemas = components['schemas'];
export type Adapter = Schemas['Adapter'];
export type AdapterAuthorization = Schemas['AdapterAuthorization'];
export type AdapterField = Schemas['AdapterField'];
export type AdapterList = Schemas['AdapterList'];
export type Destination = Schemas['Destination'];
export type DestinationInput = Schemas['DestinationInput'];
export type Source = Schemas['Source'];
export type SourceInput = Schemas['SourceInput'];
export type Job = Schemas['Job'];
export type JobInput = Schemas['JobInput'];
export type Run = Schemas['Run'];
export type RunStatus = Schemas['RunStatus'];
export type StoredBackup = Schemas['StoredBackup'];
export type Scan = Schemas['Scan'];
export type BackupDetails = Schemas['BackupDetails'];
export type Profile = Schemas['Profile'];
export type Permission = Schemas['Permission'];
export type Role = Schemas['Role'];
export type CurrentSession = Schemas['CurrentSession'];
export type Finding = Schemas['Finding'];
export type RestorePreview = Schemas['RestorePreview'];
export type OnError = Schemas['OnError'];
export type Step = Schemas['Step'];
export type Folder = Schemas['Folder'];
export type LogLine = Schemas['LogLine'];
export type AuditEntry = Schemas['AuditEntry'];
export type Session = Schemas['SessionInfo'];
export type Token = Schemas['ApiToken'];
export type User = Schemas['User'];
export type Overview = Schemas['Overview'];
export type JobStanding = Schemas['JobStanding'];
export type JobStatus = Schemas['JobStatus'];
export type JobDay = Schemas['JobDay'];
export type Cause = Schemas['OverviewCause'];
export type FieldError = Schemas['FieldError'];
type Problem = Schemas['Problem'];

/** What went wrong, to be read by a person; `fields` are the inputs that are to blame. */
export class Failure extends Error {
  constructor(
    message: string,
    readonly code: string,
    readonly status: number,
    readonly fields: FieldError[] = [],
    /** What the storage or the database said, and the server's whole answer: folded away. */
    readonly raw = '',
  ) {
    super(message);
  }
}

/** Any error as a failure. */
export function failureOf(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof TypeError) {
    return new Failure('The server cannot be reached. Is it running, and is the network up?', 'unreachable', 0);
  }
  return new Failure(error instanceof Error ? error.message : String(error), 'unexpected', 0);
}

/** Set by the session, which then shows the sign-in. */
export const onSignedOut: { call: () => void } = { call: () => undefined };

// Some lists also come as CSV or JSON lines, which are downloaded and not read here.
export const api = createClient<paths, 'application/json'>({
  baseUrl: '/',
  querySerializer: { array: { style: 'form', explode: false } },
});

/** A sentence begins with a capital and ends with a full stop; the server's are fragments, as in a terminal. */
export function sentence(text: string): string {
  const trimmed = text.trim();
  if (!trimmed) return trimmed;
  // The name of a database or a file stays as it is.
  const isName = /^\S*[_\d/@]/.test(trimmed);
  const first = isName ? trimmed : trimmed.charAt(0).toLocaleUpperCase() + trimmed.slice(1);
  return /[.!?…:]$/.test(first) ? first : `${first}.`;
}

const OUTDATED =
  'Someone else changed this while you were editing it. Reload to see the current version, then repeat your change.';

/** The header by which the server refuses a change of what was changed since it was read. */
export const ifMatch = (revision: number) => ({ 'If-Match': `"${revision}"` });

function isProblem(value: unknown): value is Problem {
  return typeof value === 'object' && value !== null && 'detail' in value && 'code' in value;
}

export function failureOfAnswer(status: number, body: unknown): Failure {
  if (status === 401) onSignedOut.call();
  if (!isProblem(body)) return new Failure(`The server answered with status ${status}.`, 'unexpected', status);
  const words = body.code === 'outdated' ? OUTDATED : sentence(body.detail);
  const { technicalDetails, ...answer } = body;
  const raw = [technicalDetails, JSON.stringify(answer, null, 2)].filter(Boolean).join('\n\n');
  return new Failure(words, body.code, status, body.errors ?? [], raw);
}

/** The answer's body; every other outcome is a `Failure`. */
export async function ask<D>(call: Promise<{ data?: D; error?: unknown; response: Response }>): Promise<D> {
  let answer;
  try {
    answer = await call;
  } catch (error) {
    throw failureOf(error);
  }
  if (!answer.response.ok) throw failureOfAnswer(answer.response.status, answer.error);
  return answer.data as D;
}

/** The most that one answer holds. */
export const PAGE = 200;

/** Goes through the pages of a list, to `most` items. */
export async function everything<T>(
  page: (cursor: string | undefined) => Promise<{ items: T[]; nextCursor?: string | null }>,
  most = 2000,
): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | undefined;
  do {
    const next = await page(cursor);
    items.push(...next.items);
    cursor = next.nextCursor ?? undefined;
  } while (cursor && items.length < most);
  return items;
}

/** Runs a test of a source or a destination; its steps come one by one. */
export async function* steps(path: string, signal: AbortSignal): AsyncGenerator<Step> {
  let response;
  try {
    response = await fetch(path, { method: 'POST', signal });
  } catch (error) {
    throw failureOf(error);
  }
  if (!response.ok || !response.body) {
    throw failureOfAnswer(response.status, await response.json().catch(() => undefined));
  }
  let rest = '';
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    const lines = (rest + (value ?? '')).split('\n');
    rest = done ? '' : (lines.pop() ?? '');
    for (const line of lines) if (line.trim()) yield JSON.parse(line) as Step;
    if (done) return;
  }
}
