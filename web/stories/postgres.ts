/** A private PostgreSQL server, as the tests of the crates have it (crates/test-support). */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, until } from './world';

const ROOT = '/usr/lib/postgresql';

export class Postgres {
  port = 0;
  #bin = join(ROOT, readdirSync(ROOT).sort().at(-1) ?? '', 'bin');
  #process?: ChildProcess;

  /** With a role `dbackup` that has a password, and its own database `shop`. */
  static async start(folder: string): Promise<Postgres> {
    const server = new Postgres();
    const data = join(folder, 'postgres');
    mkdirSync(data);
    // PostgreSQL refuses to run as root.
    const root = process.getuid?.() === 0;
    const as = root ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups'] : ['env'];
    if (root) execFileSync('sh', ['-c', `chmod 755 '${folder}' && chown postgres '${data}'`]);
    const [program = '', ...rest] = as;
    const initdb = [
      '--no-sync',
      '--auth=trust',
      '--username=postgres',
      '--encoding=UTF8',
      '--locale=C',
      '--pgdata',
      data,
    ];
    execFileSync(program, [...rest, join(server.#bin, 'initdb'), ...initdb]);
    const access = 'host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n';
    writeFileSync(join(data, 'pg_hba.conf'), access);
    server.port = await freePort();
    const settings = ['--fsync=off', '--listen_addresses=127.0.0.1', '--unix_socket_directories='];
    const start = [join(server.#bin, 'postgres'), '-D', data, `--port=${server.port}`, ...settings];
    server.#process = spawn(program, [...rest, ...start], { stdio: 'ignore' });
    await until(async () => server.sql('postgres', 'SELECT 1') === '1');
    return server;
  }

  /** What psql prints, unaligned. */
  sql(database: string, sql: string): string {
    const to = ['-h', '127.0.0.1', '-U', 'postgres', '-p', String(this.port), '-d', database];
    const args = ['-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', ...to, '-c', sql];
    return execFileSync(join(this.#bin, 'psql'), args, { stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .trim();
  }

  async stop() {
    const gone = new Promise((resolve) => this.#process?.once('exit', resolve));
    this.#process?.kill('SIGQUIT');
    await gone;
  }
}
