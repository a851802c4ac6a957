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

/** Lets a job's backups be a day apart, the newest of now. */
export function spreadBackups(database: string, job: string) {
  const script =
    'import sqlite3,sys; c=sqlite3.connect(sys.argv[1], timeout=10)\n' +
    'day=86400*1000\n' +
    'rows=c.execute("select id, created_at from backups where job_id=? order by created_at desc, id desc", (sys.argv[2],)).fetchall()\n' +
    'newest=rows[0][1]\n' +
    'for n,(id,_) in enumerate(rows):\n' +
    '  for table,key in (("backups","id"),("copies","backup_id")): c.execute(f"update {table} set created_at=? where {key}=?", (newest-n*day, id))\n' +
    'c.commit()';
  execFileSync('python3', ['-c', script, database, job]);
}
