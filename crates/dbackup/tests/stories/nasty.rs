//! A nasty database goes out and comes back, into the same major and one up, and is compared by independent means.

use test_support::PostgresServer;
use test_support::PostgresVersion::{self, Debian, V14, V16, V17, V17Icu, V18};

use crate::world::{Ran, World};

/// How a target looks before the restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Absent,
    Empty,
    Full,
}

const ROLES: [&str; 4] = [
    "CREATE ROLE app NOLOGIN",
    "CREATE ROLE \"we ird; role\" NOLOGIN",
    "CREATE ROLE tenant LOGIN CREATEDB PASSWORD 'secret' IN ROLE app",
    "CREATE ROLE dbackup LOGIN CREATEDB PASSWORD 'secret' IN ROLE pg_read_all_data",
];

const PROPERTIES: [&str; 7] = [
    "ALTER DATABASE \"Na sty\" SET search_path = \"$user\", app, public",
    "ALTER DATABASE \"Na sty\" SET timezone = 'Asia/Tokyo'",
    "ALTER ROLE \"we ird; role\" IN DATABASE \"Na sty\" SET work_mem = '8MB'",
    "REVOKE ALL ON DATABASE \"Na sty\" FROM PUBLIC",
    "GRANT CONNECT, TEMPORARY ON DATABASE \"Na sty\" TO \"we ird; role\", dbackup",
    "COMMENT ON DATABASE \"Na sty\" IS 'a comment; with ''quotes'' and ü'",
    "ALTER DATABASE \"Na sty\" CONNECTION LIMIT 33",
];

/// Whatever a schema can hold that has broken a restore somewhere.
const SCHEMA: &str = r#"
SET ROLE app;
CREATE SCHEMA app; CREATE SCHEMA "Sch ema; ""x""";
CREATE TYPE app.mood AS ENUM ('sad', 'ok', 'it''s; fine');
CREATE DOMAIN app.email AS text CHECK (VALUE ~ '@');
CREATE TYPE app.pair AS (a int, b text);
CREATE TYPE app.span AS RANGE (subtype = float8);
CREATE SEQUENCE app.strange INCREMENT -7 START 1000 MAXVALUE 1000 MINVALUE -1000 CYCLE;
SELECT nextval('app.strange'), nextval('app.strange');
CREATE TABLE app.parent (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, mood app.mood NOT NULL DEFAULT 'ok', mail app.email,
  pair app.pair, span app.span, doc jsonb, raw bytea, many text[], twice bigint GENERATED ALWAYS AS (id * 2) STORED);
INSERT INTO app.parent (mood, mail, pair, span, doc, raw, many)
  SELECT (ARRAY['sad', 'ok', 'it''s; fine']::app.mood[])[n % 3 + 1], 'a' || n || '@x', ROW(n, E'tab\there\\N')::app.pair, app.span(n, n + 1),
  jsonb_build_object('ü', n, 'null', NULL), decode(md5(n::text), 'hex'), ARRAY['a,b', NULL, E'line\nbreak'] FROM generate_series(1, 3000) n;
CREATE TABLE app.child (id serial PRIMARY KEY, parent bigint REFERENCES app.parent DEFERRABLE INITIALLY DEFERRED, UNIQUE (id, parent));
INSERT INTO app.child (parent) SELECT n FROM generate_series(1, 500) n; SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE app.child ADD CONSTRAINT later CHECK (id > 5) NOT VALID;
CREATE TABLE app.parted (at date, n int) PARTITION BY RANGE (at);
CREATE TABLE app.parted_2025 PARTITION OF app.parted FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY HASH (n);
CREATE TABLE app.parted_2025_0 PARTITION OF app.parted_2025 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE app.parted_2025_1 PARTITION OF app.parted_2025 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE app.parted_rest PARTITION OF app.parted DEFAULT;
INSERT INTO app.parted SELECT '2024-06-01'::date + n, n FROM generate_series(1, 1000) n;
CREATE TABLE app.base (a int); CREATE TABLE app.heir (b int) INHERITS (app.base); INSERT INTO app.heir VALUES (1, 2);
CREATE UNLOGGED TABLE app.unlogged (x int); INSERT INTO app.unlogged SELECT generate_series(1, 20);
CREATE TABLE "Sch ema; ""x"""."Ta ble" ("co""l" text COLLATE "C", "select" int); INSERT INTO "Sch ema; ""x"""."Ta ble" VALUES ('ü', 1);
CREATE INDEX ON app.parent USING gin (doc); CREATE INDEX partial ON app.parent (lower(mail::text)) WHERE mood = 'ok';
CREATE FUNCTION app.stamp() RETURNS trigger LANGUAGE plpgsql SET search_path = app AS $f$ BEGIN NEW.b := coalesce(NEW.b, 0) + 1; RETURN NEW; END $f$;
CREATE TRIGGER stamp BEFORE INSERT ON app.heir FOR EACH ROW EXECUTE FUNCTION app.stamp();
CREATE FUNCTION app.total(int[]) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT sum(x) FROM unnest($1) x';
CREATE AGGREGATE app.product(int) (SFUNC = int4mul, STYPE = int, INITCOND = '1');
CREATE PROCEDURE app.nothing() LANGUAGE plpgsql AS $p$ BEGIN NULL; END $p$;
CREATE VIEW app.calm AS SELECT id, mood FROM app.parent WHERE mood = 'ok' WITH CHECK OPTION;
CREATE MATERIALIZED VIEW app.counted AS SELECT mood, count(*) FROM app.parent GROUP BY mood; CREATE UNIQUE INDEX ON app.counted (mood);
CREATE RULE ignored AS ON DELETE TO app.base DO INSTEAD NOTHING;
CREATE STATISTICS app.related ON mood, mail FROM app.parent;
ALTER TABLE app.parent ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON app.parent TO "we ird; role" USING (mood = 'ok');
ALTER TABLE app.parent ALTER COLUMN raw SET STORAGE EXTERNAL; ALTER TABLE app.child SET (fillfactor = 70, autovacuum_enabled = off);
GRANT SELECT (id, mood), UPDATE (mood) ON app.parent TO "we ird; role" WITH GRANT OPTION; GRANT USAGE ON SCHEMA app TO PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA app GRANT SELECT ON TABLES TO "we ird; role";
COMMENT ON COLUMN app.parent.mood IS 'it''s; a column'; COMMENT ON INDEX app.partial IS 'x';
SELECT lo_from_bytea(0, repeat('large', 20000)::bytea), lo_from_bytea(0, 'small'), lo_create(0);
RESET ROLE;
CREATE PUBLICATION everything FOR TABLE app.parent, app.child;
"#;

/// A database's own properties, and a hash of every table's and large object's content.
const CONTENT: &str = r#"
SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype, datconnlimit, datacl, shobj_description(oid, 'pg_database'),
  (SELECT string_agg(coalesce(rolname, '') || array_to_string(setconfig, ','), '|' ORDER BY rolname) FROM pg_db_role_setting s
   LEFT JOIN pg_roles r ON r.oid = setrole WHERE setdatabase = d.oid) FROM pg_database d WHERE datname = current_database();
SELECT md5(string_agg(md5(data), '|' ORDER BY md5(data))), count(*) FROM pg_largeobject;
SELECT count(*), string_agg(DISTINCT pg_get_userbyid(lomowner), ',') FROM pg_largeobject_metadata;
SELECT last_value, is_called FROM app.strange;
"#;

fn content(server: &PostgresServer, database: &str) -> String {
    let tables = "SELECT format('%I.%I', nspname, relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace \
                  WHERE relkind IN ('r', 'm') AND nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY 1";
    let tables = server.sql(database, tables);
    let hash = |table: &str| {
        format!("SELECT count(*), md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))) FROM {table} t")
    };
    let statements = CONTENT.split(';').map(str::trim).filter(|sql| !sql.is_empty()).map(str::to_owned);
    // One at a time: psql 14 prints only the last one's rows.
    statements.chain(tables.lines().map(hash)).map(|sql| format!("{sql}: {}", server.sql(database, &sql))).collect()
}

/// The hashes of the tables alone: who restores without owners gets other owners.
fn rows(content: &str) -> Vec<&str> {
    content.lines().filter(|line| line.contains("string_agg(md5(t::text)")).collect()
}

/// The schema as the target's own pg_dump writes it, without what differs at every run.
fn schema(server: &PostgresServer, by: PostgresVersion, database: &str) -> String {
    let mut command = std::process::Command::new(by.bin().join("pg_dump"));
    command.args(["-h", "127.0.0.1", "-U", "postgres", "-p", &server.port().to_string(), "--schema-only", "-d"]).arg(
        // A name as it is, not a connection string.
        format!("dbname='{database}'"),
    );
    let varies = |line: &&str| !["\\restrict", "\\unrestrict", "-- Dumped"].iter().any(|start| line.starts_with(start));
    let schema = test_support::run(&mut command).lines().filter(varies).collect::<Vec<_>>().join("\n");
    // From 15 on, the schema "public" has other defaults, which an archive of 14 does not change.
    let sections = schema.split("\n--\n-- Name: ");
    let is_public =
        |section: &&str| section.starts_with("public; Type: SCHEMA") || section.starts_with("SCHEMA public; Type: ACL");
    let schema = sections.filter(|section| !is_public(section)).collect::<Vec<_>>().join("\n--\n-- Name: ");
    // Up to 15, the server writes a view's columns with their table.
    schema.replace(" parent.", " ").replace("(parent.", "(")
}

fn encoded(database: &str) -> String {
    database.replace(' ', "%20")
}

/// Backs up as `role`, restores as the superuser into each kind of target, and compares.
fn goes_out_and_comes_back(from: PostgresVersion, to: PostgresVersion) {
    let world = World::new();
    let (source, target) = (PostgresServer::start(from), PostgresServer::start(to));
    for server in [&source, &target] {
        ROLES.iter().for_each(|sql| drop(server.sql("postgres", sql)));
    }
    source.sql(
        "postgres",
        "CREATE DATABASE \"Na sty\" OWNER app LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8' TEMPLATE template0",
    );
    source.sql("Na sty", SCHEMA);
    PROPERTIES.iter().for_each(|sql| drop(source.sql("postgres", sql)));
    source.sql("postgres", "ALTER ROLE dbackup BYPASSRLS");
    source.sql("postgres", "ALTER ROLE dbackup SET lo_compat_privileges = on");
    std::fs::create_dir(world.path("backups")).unwrap();
    let destination = format!("file://{}", world.path("backups").display());
    let addresses = [
        ("superuser", source.address("Na%20sty")),
        ("guide", source.address_as("dbackup", "Na%20sty")),
        ("owner", source.address_as("tenant", "Na%20sty")),
    ];
    for (job, address) in addresses {
        let mut backup = world.command(&["backup", "--to", &destination, "--job", job]);
        backup.env("DBACKUP_POSTGRES_BIN", from.bin()).env("DBACKUP_SOURCE", &address);
        Ran::of(&mut backup).succeeded();
    }
    let wanted = content(&source, "Na sty");
    for (job, kind, database) in [
        ("superuser", Target::Absent, "absent one"),
        ("superuser", Target::Empty, "empty one"),
        ("guide", Target::Full, "full one"),
    ] {
        prepare(&target, kind, database);
        let mut restore = world.command(&["restore", &destination, "--job", job, "--latest"]);
        restore.args(if kind == Target::Full { &["--overwrite"][..] } else { &[] });
        restore.env("DBACKUP_POSTGRES_BIN", to.bin()).env("DBACKUP_TARGET", target.address(&encoded(database)));
        Ran::of(&mut restore).succeeded();
        assert_eq!(content(&target, database), wanted, "{from:?} to {to:?}, {kind:?}");
        assert_eq!(schema(&target, to, database), schema(&source, to, "Na sty"), "{from:?} to {to:?}, {kind:?}");
    }
    let mut restore = world.command(&["restore", &destination, "--job", "owner", "--latest", "--no-owner"]);
    restore.env("DBACKUP_POSTGRES_BIN", to.bin()).env("DBACKUP_TARGET", target.address_as("tenant", "tenants"));
    Ran::of(&mut restore).succeeded();
    assert_eq!(rows(&content(&target, "tenants")), rows(&wanted), "{from:?} to {to:?}, the tenant's own");
    assert_eq!(
        target.sql("postgres", "SELECT count(*) FROM pg_database WHERE datname LIKE '%dbackup\\_re%'").trim(),
        "0"
    );
}

fn prepare(target: &PostgresServer, kind: Target, database: &str) {
    if kind != Target::Absent {
        target.sql("postgres", &format!("CREATE DATABASE \"{database}\" CONNECTION LIMIT 3"));
    }
    if kind == Target::Full {
        target.sql(database, "CREATE SCHEMA app; CREATE TABLE app.old (x int)");
    }
}

#[test]
fn a_nasty_database_of_postgresql_14_comes_back() {
    goes_out_and_comes_back(V14, V14);
}

// S-01
#[test]
fn a_nasty_database_of_debians_postgresql_comes_back() {
    goes_out_and_comes_back(Debian, Debian);
}

#[test]
fn a_nasty_database_of_postgresql_16_comes_back() {
    goes_out_and_comes_back(V16, V16);
}

// S-01
#[test]
fn a_nasty_database_of_postgresql_17_comes_back() {
    goes_out_and_comes_back(V17, V17);
}

#[test]
fn a_nasty_database_of_postgresql_18_comes_back() {
    goes_out_and_comes_back(V18, V18);
}

#[test]
fn a_nasty_database_goes_from_postgresql_14_to_debians() {
    goes_out_and_comes_back(V14, Debian);
}

#[test]
fn a_nasty_database_goes_from_debians_postgresql_to_16() {
    goes_out_and_comes_back(Debian, V16);
}

#[test]
fn a_nasty_database_goes_from_postgresql_16_to_17() {
    goes_out_and_comes_back(V16, V17);
}

#[test]
fn a_nasty_database_goes_from_postgresql_17_to_18() {
    goes_out_and_comes_back(V17, V18);
}

/// What is special of a database, with the facts of `pg_database` that show it: as JSON, since every version has other columns.
fn particulars(server: &PostgresServer, database: &str) -> String {
    let sql = "SELECT (to_jsonb(d) - '{oid,datname,datfrozenxid,datminmxid,dattablespace,datlastsysoid,datacl,datdba,datcollversion}'::text[])::text, \
               spcname, (SELECT string_agg(relname || ' ' || coalesce(t.spcname, '-'), ',' ORDER BY relname) FROM pg_class c \
               LEFT JOIN pg_tablespace t ON t.oid = reltablespace WHERE relnamespace = 'public'::regnamespace), \
               (SELECT string_agg(x, ',' ORDER BY x) FROM sorted), (SELECT md5(string_agg(x, '' ORDER BY x COLLATE \"C\")) FROM sorted) \
               FROM pg_database d JOIN pg_tablespace s ON s.oid = dattablespace WHERE datname = current_database()";
    server.sql(database, sql)
}

/// Backs up a database of its own kind, and restores it as absent, over another one, and in place.
fn keeps_its_particulars(version: PostgresVersion, options: &str) {
    let world = World::new();
    let server = PostgresServer::start(version);
    let folders = [world.path("fast disk"), world.path("slow disk")];
    server.create_tablespace("fast ts", &folders[0]);
    server.create_tablespace("slow", &folders[1]);
    server.sql(
        "postgres",
        &format!("CREATE DATABASE special TEMPLATE template0 ENCODING 'UTF8' {options} TABLESPACE \"fast ts\""),
    );
    server.sql(
        "special",
        "CREATE TABLE sorted (x text PRIMARY KEY) TABLESPACE slow; CREATE INDEX there ON sorted (lower(x)) TABLESPACE pg_default; \
         INSERT INTO sorted VALUES ('a10'), ('a9'), ('B'), ('ä'), ('w'), ('V'), ('z')",
    );
    std::fs::create_dir(world.path("backups")).unwrap();
    let destination = format!("file://{}", world.path("backups").display());
    let mut backup = world.command(&["backup", "--to", &destination, "--job", "special"]);
    backup.env("DBACKUP_POSTGRES_BIN", version.bin()).env("DBACKUP_SOURCE", server.address("special"));
    Ran::of(&mut backup).succeeded();
    let (wanted, wanted_schema) = (particulars(&server, "special"), schema(&server, version, "special"));
    for (database, arguments) in [
        ("absent", &[][..]),
        ("absent", &["--overwrite"][..]),
        ("in_place", &["--in-place"][..]),
        ("in_place", &["--in-place", "--overwrite"][..]),
    ] {
        let mut restore = world.command(&["restore", &destination, "--job", "special", "--latest"]);
        restore.args(arguments);
        restore.env("DBACKUP_POSTGRES_BIN", version.bin()).env("DBACKUP_TARGET", server.address(database));
        Ran::of(&mut restore).succeeded();
        assert_eq!(particulars(&server, database), wanted, "{version:?} {options} {database} {arguments:?}");
        assert_eq!(schema(&server, version, database), wanted_schema, "{version:?} {options} {database} {arguments:?}");
        if arguments.is_empty() {
            server.sql(database, "CREATE TABLE of_before (x int)");
        }
    }
}

#[test]
fn a_database_in_two_tablespaces_comes_back_and_in_place() {
    for version in [V14, Debian] {
        keeps_its_particulars(version, "LC_COLLATE 'C' LC_CTYPE 'C'");
    }
}

#[test]
fn a_database_with_an_icu_locale_comes_back_and_in_place() {
    // PyPI's builds have no ICU; ICU rules came with 16.
    let icu = "LOCALE_PROVIDER icu ICU_LOCALE 'en-US-u-kn-true' LC_COLLATE 'C' LC_CTYPE 'C'";
    keeps_its_particulars(Debian, icu);
    keeps_its_particulars(V17Icu, &format!("{icu} ICU_RULES '&V << w <<< W'"));
}

#[test]
fn a_database_with_the_builtin_provider_comes_back_and_in_place() {
    for (version, locale) in [(V17, "C"), (V17, "C.UTF-8"), (V18, "PG_UNICODE_FAST")] {
        keeps_its_particulars(
            version,
            &format!("LOCALE_PROVIDER builtin BUILTIN_LOCALE '{locale}' LC_COLLATE 'C' LC_CTYPE 'C'"),
        );
    }
}
