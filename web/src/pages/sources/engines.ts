import type { Source } from '../../api/client';

type Settings = Source['settings'];

export const ENGINES: Record<Settings['type'], string> = { postgres: 'PostgreSQL', sqlite: 'SQLite' };

/** Where it is, in short. */
export function place(settings: Settings): string {
  if (settings.type === 'sqlite') return settings.path;
  const port = settings.port ? `:${settings.port}` : '';
  return `${settings.user}@${settings.host}${port}${settings.database ? `/${settings.database}` : ''}`;
}
