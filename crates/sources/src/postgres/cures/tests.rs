use super::Operation::{Ask, Dump, Restore};
use super::*;
use crate::Origin;

fn of(operation: Operation, words: &str) -> Option<String> {
    Postgres::parse("postgres://back\"up@db/shop", Origin::Argument, None).unwrap().cure(operation, words)
}

/// Operation, PostgreSQL's words, a part of the cure.
const CASES: &[(Operation, &str, &str)] = &[
    (Ask, "FATAL:  password authentication failed for user \"x\"", "Check the user and the password"),
    (
        Ask,
        "FATAL:  pg_hba.conf rejects connection for host \"10.0.0.1\", user \"x\", database \"d\", no encryption",
        "reject line",
    ),
    (
        Ask,
        "FATAL:  no pg_hba.conf entry for host \"10.0.0.1\", user \"x\", database \"d\", no encryption",
        "Switch encryption on",
    ),
    (
        Ask,
        "FATAL:  no pg_hba.conf entry for host \"10.0.0.1\", user \"x\", database \"d\", SSL encryption",
        "Allow this user",
    ),
    (
        Ask,
        "FATAL:  permission denied for database \"shop\"\nDETAIL:  User does not have CONNECT privilege.",
        "GRANT CONNECT ON DATABASE \"shop\"",
    ),
    (Ask, "FATAL:  no such database: postgres", "pgbouncer.ini"),
    (Ask, "FATAL:  cannot connect to invalid database \"broken\"", "DROP DATABASE \"broken\""),
    (Ask, "definition of service \"shop\" not found", "pg_service.conf"),
    (Ask, "FATAL:  database \"shop\" does not exist", "Check the database's name"),
    (Ask, "FATAL:  role \"x\" does not exist", "Check the user"),
    (Ask, "role \"x\" does not exist (SQLSTATE 42704)", "CREATE ROLE \"x\""),
    (Ask, "permission denied for tablespace fast (SQLSTATE 42501)", "GRANT CREATE ON TABLESPACE"),
    (
        Ask,
        "permission denied to set parameter \"log_min_duration_statement\"",
        "Only a superuser may set log_min_duration_statement",
    ),
    (Ask, "encoding \"LATIN1\" does not match locale \"C.UTF-8\"", "a locale that fits LATIN1"),
    (Ask, "canceling statement due to statement timeout (SQLSTATE 57014)", "overloaded"),
    (Ask, "keine Berechtigung für Tabelle t (SQLSTATE 42501)", "the right that the server misses"),
    (Ask, "auf Datenbank „shop“ wird von anderen Benutzern zugegriffen (SQLSTATE 55006)", "other sessions"),
    (
        Dump,
        "pg_dump: error: query failed: ERROR:  permission denied for table t\npg_dump: detail: Query was: LOCK TABLE public.t",
        "pg_read_all_data",
    ),
    (Dump, "pg_dump: error: query failed: ERROR:  permission denied for large object 16393", "lo_compat_privileges"),
    (
        Dump,
        "pg_dump: error: query failed: ERROR:  query would be affected by row-level security policy for table \"t\"",
        "BYPASSRLS",
    ),
    (Dump, "FATAL:  permission denied for database \"shop\"", "GRANT CONNECT"),
    (
        Dump,
        "ERROR:  canceling statement due to conflict with recovery\nDETAIL:  User query might have needed to see row versions",
        "hot_standby_feedback",
    ),
    (Dump, "FATAL:  terminating connection due to conflict with recovery", "hot_standby_feedback"),
    (Dump, "pg_dump: error: query failed: ERROR:  canceling statement due to lock timeout", "ten minutes"),
    (
        Dump,
        "ERROR:  out of shared memory\nHINT:  You might need to increase max_locks_per_transaction.",
        "max_locks_per_transaction",
    ),
    (Dump, "ERROR:  invalid page in block 7 of relation base/5/16384", "damaged"),
    (
        Restore,
        "pg_restore: error: could not execute query: ERROR:  permission denied for large object 16393\nCommand was: SELECT 1",
        "--no-owner",
    ),
    (Restore, "ERROR:  permission denied for schema public", "PostgreSQL 15"),
    (Restore, "ERROR:  permission denied for schema app", "ON SCHEMA \"app\""),
    (Restore, "ERROR:  permission denied to create extension \"postgis\"", "CREATE EXTENSION \"postgis\""),
    (Restore, "ERROR:  permission denied for database shop", "GRANT CREATE, CONNECT ON DATABASE \"shop\""),
    (Restore, "ERROR:  permission denied for tablespace fast", "TABLESPACE \"fast\""),
    (Restore, "ERROR:  permission denied for function secret", "FUNCTION \"secret\""),
    (Restore, "ERROR:  must be member of role \"app\"", "GRANT app TO|GRANT \"app\" TO"),
    (Restore, "ERROR:  must be able to SET ROLE \"app\"", "--no-owner"),
    (
        Restore,
        "ERROR:  must be owner of extension pg_stat_statements\nCommand was: COMMENT ON EXTENSION x IS 'role \"a\" does not exist';",
        "extension's comment",
    ),
    (Restore, "ERROR:  must be owner of table t", "--no-owner"),
    (Restore, "ERROR:  out of shared memory", "max_locks_per_transaction"),
    (Restore, "ERROR:  encoding \"LATIN1\" does not match locale \"C.UTF-8\"", "fits LATIN1"),
    (
        Restore,
        "ERROR:  character with byte sequence 0xe2 0x82 0xac in encoding \"UTF8\" has no equivalent in encoding \"LATIN1\"",
        "encoding is LATIN1",
    ),
    (Restore, "ERROR:  cannot execute CREATE TABLE in a read-only transaction", "default_transaction_read_only"),
    (
        Restore,
        "ERROR:  role \"anon\" does not exist\nCommand was: CREATE POLICY p ON t TO anon",
        "CREATE ROLE \"anon\" NOLOGIN",
    ),
    (Restore, "ERROR:  extension \"postgis\" is not available", "package of the extension postgis"),
    (
        Restore,
        "ERROR:  could not open extension control file \"/usr/share/postgresql/15/extension/postgis.control\": No such file or directory",
        "extension's package",
    ),
    (Restore, "ERROR:  language \"plperl\" does not exist", "CREATE EXTENSION \"plperl\""),
    (Restore, "ERROR:  function unaccent(text) does not exist", "SET search_path"),
    (Restore, "ERROR:  relation \"rates\" does not exist\nLINE 1: select r from rates", "SET search_path"),
    (Restore, "ERROR:  can only create extension in database postgres", "restore in place"),
    (Restore, "ERROR:  tablespace \"fast\" does not exist", "CREATE TABLESPACE \"fast\""),
    (
        Restore,
        "ERROR:  insert or update on table \"b\" violates foreign key constraint \"b_fk\"",
        "--on-error continue",
    ),
    (
        Restore,
        "connection to server at \"h\" failed: FATAL:  password authentication failed for user \"x\"",
        "Check the user and the password",
    ),
];

#[test]
fn a_cure_fits_the_operation_and_the_cause() {
    for (operation, words, part) in CASES {
        let cure = of(*operation, words).unwrap_or_else(|| panic!("no cure for {operation:?}: {words}"));
        assert!(part.split('|').any(|part| cure.contains(part)), "{operation:?}: {words}\n-> {cure}");
        assert!(!cure.contains("<name>") && !cure.contains("<role>") && !cure.ends_with('.'), "{cure}");
    }
}

#[test]
fn sql_in_a_cure_can_be_copied_whatever_the_names() {
    let cure = of(Restore, "ERROR:  permission denied for schema My Schema").unwrap();
    assert!(cure.contains("ON SCHEMA \"My Schema\" TO \"back\"\"up\""), "{cure}");
    let unnamed = Postgres::parse("postgres://db/shop", Origin::Argument, None).unwrap();
    assert!(unnamed.cure(Dump, "permission denied for table t").unwrap().contains("TO <role>"));
}

#[test]
fn reading_rights_are_not_the_cure_for_everything_that_is_denied() {
    for (operation, words, _) in CASES {
        let tables = words.contains("permission denied for table ");
        let cure = of(*operation, words).unwrap();
        assert_eq!(cure.contains("GRANT pg_read_all_data"), tables, "{operation:?}: {words}\n-> {cure}");
    }
}

#[test]
fn a_login_that_is_refused_in_another_language_has_its_cure() {
    assert_eq!(of(Ask, "FATAL:  Passwort-Authentifizierung für Benutzer »x« fehlgeschlagen"), None);
    for sqlstate in ["28P01", "28000", "3D000", "53300", "57P03"] {
        assert!(by_code(sqlstate).is_some(), "{sqlstate}");
    }
    assert_eq!(by_code("42P01"), None);
}

#[test]
fn words_in_a_statement_are_no_error() {
    let words = "pg_restore: error: could not execute query: ERROR:  something new\nCommand was: CREATE FUNCTION f() AS $$\n\
                 raise 'permission denied for schema public';\n$$;\npg_restore: warning: errors ignored on restore: 1";
    assert_eq!(of(Restore, words), None);
}

#[test]
fn names_are_quoted_for_sql() {
    let cure = of(Restore, "ERROR:  role \"a \"\" b\" does not exist").unwrap();
    assert!(cure.contains("CREATE ROLE \"a \"\"\"\" b\" NOLOGIN"), "{cure}");
}
