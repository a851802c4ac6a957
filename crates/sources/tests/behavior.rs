//! Every source passes the suite.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;

use async_trait::async_trait;
use rusqlite::Connection;
use sources::conformance::Subject;
use sources::{Origin, Source, parse};
use tempfile::TempDir;
use test_support::{PostgresServer, PostgresVersion};

/// A folder of SQLite files.
struct Files(TempDir);

impl Files {
    fn path(&self, database: &str) -> PathBuf {
        self.0.path().join(format!("{database}.db"))
    }
}

#[async_trait]
impl Subject for Files {
    fn source(&self, database: &str) -> Box<dyn Source> {
        parse(&format!("sqlite://{}", self.path(database).display()), Origin::Private, None).unwrap()
    }

    async fn make(&self, database: &str, rows: &[String]) {
        let mut connection = Connection::open(self.path(database)).unwrap();
        if rows.is_empty() {
            // A page with nothing in it: a file without a byte is no backup of anything.
            return connection.execute_batch("PRAGMA user_version = 1").unwrap();
        }
        let transaction = connection.transaction().unwrap();
        transaction.execute_batch("CREATE TABLE it (row TEXT)").unwrap();
        for row in rows {
            transaction.execute("INSERT INTO it VALUES (?1)", [row]).unwrap();
        }
        transaction.commit().unwrap();
    }

    async fn rows(&self, database: &str) -> Option<Vec<String>> {
        self.path(database).exists().then(|| {
            let connection = Connection::open(self.path(database)).unwrap();
            let mut select = connection.prepare("SELECT row FROM it ORDER BY rowid").unwrap();
            select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        })
    }

    async fn add(&self, database: &str, rows: &[String]) -> bool {
        let connection = Connection::open(self.path(database)).unwrap();
        for row in rows {
            connection.execute("INSERT INTO it VALUES (?1)", [row]).unwrap();
        }
        true
    }

    async fn all(&self) -> Vec<String> {
        let names = self.0.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.map(|name| name.strip_suffix(".db").map_or(name.clone(), str::to_owned)).collect()
    }
}

/// A server of its own.
struct Server(PostgresServer);

impl Server {
    fn names(&self) -> Vec<String> {
        let names = self.0.sql("template1", "SELECT datname FROM pg_database");
        let own = ["postgres", "template0", "template1"];
        names.lines().filter(|name| !own.contains(name)).map(str::to_owned).collect()
    }
}

#[async_trait]
impl Subject for Server {
    fn source(&self, database: &str) -> Box<dyn Source> {
        parse(&self.0.address(database), Origin::Private, None).unwrap()
    }

    async fn make(&self, database: &str, rows: &[String]) {
        self.0.sql("template1", &format!("CREATE DATABASE \"{database}\""));
        if !rows.is_empty() {
            self.0.sql(database, "CREATE TABLE it (id serial, row text)");
            for rows in rows.chunks(500) {
                let values: Vec<_> = rows.iter().map(|row| format!("('{row}')")).collect();
                self.0.sql(database, &format!("INSERT INTO it (row) VALUES {}", values.join(",")));
            }
        }
    }

    async fn rows(&self, database: &str) -> Option<Vec<String>> {
        let is_there = self.names().contains(&database.to_owned());
        is_there.then(|| self.0.sql(database, "SELECT row FROM it ORDER BY id").lines().map(str::to_owned).collect())
    }

    async fn add(&self, database: &str, rows: &[String]) -> bool {
        for row in rows {
            self.0.sql(database, &format!("INSERT INTO it (row) VALUES ('{row}')"));
        }
        true
    }

    async fn all(&self) -> Vec<String> {
        self.names()
    }
}

async fn sqlite_files() -> Box<dyn Subject> {
    Box::new(Files(tempfile::tempdir().unwrap()))
}

async fn postgres_server() -> Box<dyn Subject> {
    Box::new(Server(PostgresServer::start(PostgresVersion::Debian)))
}

mod sqlite {
    sources::source_conformance!(crate::sqlite_files);
}

mod postgres {
    sources::source_conformance!(crate::postgres_server);
}
