/** What the list of runs is narrowed by, as its address has it and as the server takes it. */
import { api, ask, type Run, type RunStatus } from '../../api/client';
import type { Mark } from '../../parts/State.svelte';
import { momentOf } from '../backups/stored';

export interface RunQuery {
  /** A job's id. */
  job: string;
  kind: '' | Run['kind'];
  /** A chip. */
  state: string;
  /** Days of the reader's calendar, both included. */
  from: string;
  to: string;
  isOldestFirst: boolean;
}

/** Runs on one page. */
const LENGTH = 100;

export const KINDS: Record<Run['kind'], string> = { backup: 'Backup', restore: 'Restore', copy: 'Copy' };

interface StateChip {
  id: string;
  label: string;
  mark: Mark;
  states: RunStatus[];
}

export const CHIPS: StateChip[] = [
  { id: 'failed', label: 'Failed', mark: 'failed', states: ['failed', 'interrupted'] },
  { id: 'partial', label: 'Partial', mark: 'partial', states: ['partial'] },
  { id: 'running', label: 'Running', mark: 'running', states: ['queued', 'running'] },
  { id: 'succeededWithWarnings', label: 'With warnings', mark: 'warning', states: ['succeededWithWarnings'] },
  { id: 'succeeded', label: 'Succeeded', mark: 'succeeded', states: ['succeeded'] },
  { id: 'cancelled', label: 'Cancelled', mark: 'cancelled', states: ['cancelled'] },
];

const statesOf = ({ state }: RunQuery): RunStatus[] | undefined => CHIPS.find(({ id }) => id === state)?.states;

/** The moments between which a run was queued. */
const since = ({ from }: RunQuery) => momentOf(from);
const until = ({ to }: RunQuery) => momentOf(to, 1);

export const runsAfter = (query: RunQuery, cursor?: string) =>
  ask(
    api.GET('/api/runs', {
      params: {
        query: {
          jobId: query.job || undefined,
          kind: query.kind || undefined,
          state: statesOf(query),
          since: since(query),
          until: until(query),
          sort: query.isOldestFirst ? 'createdAt' : '-createdAt',
          cursor,
          limit: LENGTH,
        },
      },
    }),
  );

/** How many runs each chip lets through, by its id; `''` is all. The server counts no days: nothing, where they narrow. */
export async function countsOf(query: RunQuery): Promise<Partial<Record<string, number>>> {
  if (since(query) || until(query)) return {};
  const { job, kind } = query;
  const counts: Partial<Record<string, number>> = await ask(
    api.GET('/api/run-counts', { params: { query: { jobId: job || undefined, kind: kind || undefined } } }),
  );
  const sum = (states: string[]) => states.reduce((total, state) => total + (counts[state] ?? 0), 0);
  const byChip = Object.fromEntries(CHIPS.map(({ id, states }) => [id, sum(states)]));
  return { ...byChip, '': sum(Object.keys(counts)) };
}

export const totalOf = (counts: Partial<Record<string, number>> | undefined, query: RunQuery): number | undefined =>
  counts?.[statesOf(query) ? query.state : ''];

/** Whether a run that has just changed belongs to what is shown. */
export function fits(run: Run, query: RunQuery): boolean {
  const states = statesOf(query);
  const [from, to] = [since(query), until(query)];
  const at = Date.parse(run.createdAt);
  return (
    (!query.job || run.jobId === query.job) &&
    (!query.kind || run.kind === query.kind) &&
    (!states || states.includes(run.state)) &&
    (!from || at >= Date.parse(from)) &&
    (!to || at < Date.parse(to))
  );
}
