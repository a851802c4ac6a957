import type { Source } from '../../api/client';

type Settings = Source['settings'];

export const ENGINES: Record<Settings['type'], string> = { postgres: 'PostgreSQL', sqlite: 'SQLite' };

/** Where it is, in short. */
export function place(settings: Settings): string {
  if (settings.type === 'sqlite') return settings.path;
  const user = settings.user ? `${settings.user}@` : '';
  const port = settings.port ? `:${settings.port}` : '';
  const server = settings.host ? `${settings.host}${port}` : `service ${settings.service}`;
  return `${user}${server}${settings.database ? `/${settings.database}` : ''}`;
}
