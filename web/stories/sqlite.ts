import { execFileSync } from 'node:child_process';

/** Makes a small SQLite database. */
export function makeDatabase(path: string) {
  const script =
    'import sqlite3,sys; c=sqlite3.connect(sys.argv[1]); c.execute("create table orders(id integer primary key, what text)");' +
    'c.executemany("insert into orders(what) values(?)", [("x"*50,)]*1000); c.commit()';
  execFileSync('python3', ['-c', script, path]);
}

/** Lets a server believe that another Dropbox account was authorized before. */
export function pretendOtherAccount(database: string, email: string) {
  const script =
    'import sqlite3,sys; c=sqlite3.connect(sys.argv[1], timeout=10); c.execute("update destinations set authorization_state = ' +
    "json_set(authorization_state, '$.accountId', 'dbid:other', '$.email', ?)\", (sys.argv[2],)); c.commit()";
  execFileSync('python3', ['-c', script, database, email]);
}
