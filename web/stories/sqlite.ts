import { execFileSync } from 'node:child_process';

/** Makes a small SQLite database. */
export function makeDatabase(path: string) {
  const script =
    'import sqlite3,sys; c=sqlite3.connect(sys.argv[1]); c.execute("create table orders(id integer primary key, what text)");' +
    'c.executemany("insert into orders(what) values(?)", [("x"*50,)]*1000); c.commit()';
  execFileSync('python3', ['-c', script, path]);
}
