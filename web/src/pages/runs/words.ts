import type { Run } from '../../api/client';

const CAUSES: Record<string, string> = {
  schedule: 'by its schedule',
  retry: 'again, after an interruption',
  manual: 'by hand',
  api: 'by a program',
};

/** Why a run began. */
export const cause = (run: Run): string => CAUSES[run.cause] ?? run.cause;

const KINDS: Record<string, string> = { backup: 'Backup of', restore: 'Restore of', copy: 'Copy of' };
/** What a run is, before its name. */
export const kind = (run: Run): string => KINDS[run.kind] ?? run.kind;

export const isOver = (run: Run): boolean => run.state !== 'queued' && run.state !== 'running';

/** In milliseconds; none before it has begun. */
export function took(run: Run, now: Date): number | undefined {
  if (!run.startedAt) return undefined;
  return new Date(run.finishedAt ?? now).getTime() - new Date(run.startedAt).getTime();
}

export interface Copy {
  destination: string;
  destinationId?: string;
  path?: string;
  size?: { plain: number; stored: number };
  error?: string;
}

/** Where a database stands whose backup is not through yet. */
export type Stage = 'waiting' | 'dumping' | 'proving';

export interface DatabaseResult {
  database: string;
  stage?: Stage;
  error?: string;
  copies: Copy[];
}

/** What a backup came to, or has come to so far, database by database. */
export function databasesOf(run: Run): DatabaseResult[] {
  const result = run.result as { databases?: DatabaseResult[] } | null | undefined;
  return result?.databases ?? [];
}
