//! The tables of cures. Each is searched from its top, and the first pattern that fits wins: particular ones stand before general
//! ones.

/// A message, in which `*` stands for anything, and its cure, in which `<name>` stands for what the first `*` stood for.
pub(super) type Cure = (&'static str, &'static str);

/// For a role that may enter none of the databases through which one asks about others.
pub(in crate::postgres) const ENTRY: &str = "Let the role enter a database: name its own in the address, or GRANT CONNECT ON DATABASE postgres TO <role> \
                                and allow it in pg_hba.conf";

/// Lets a role read every table.
pub(in crate::postgres) const READ_EVERYTHING: &str =
    "Run as a superuser: GRANT pg_read_all_data TO <role> (PostgreSQL 14 or later)";
/// Lets a role read rows that row-level security hides.
pub(in crate::postgres) const BYPASS_ROW_SECURITY: &str = "Run as a superuser: ALTER ROLE <role> BYPASSRLS";
/// Lets a role read large objects of others.
pub(in crate::postgres) const LARGE_OBJECTS: &str = "pg_read_all_data does not cover large objects. Run as a superuser: ALTER ROLE <role> SET lo_compat_privileges = on";

const MEMBERSHIP: &str = "Restore with --no-owner, or make the restoring role a member: GRANT \"<name>\" TO <role>, or restore as a superuser";
const LOCKS: &str = "Raise max_locks_per_transaction in the server's postgresql.conf and restart it";

/// What can happen before a statement runs, and to any session.
pub(super) const SESSION: &[Cure] = &[
    (
        "no password supplied",
        "The role needs its password (on the command line: PGPASSWORD, ~/.pgpass or --password-file)",
    ),
    (
        "password authentication failed",
        "Check the user and the password (on the command line: PGPASSWORD, ~/.pgpass or --password-file)",
    ),
    (
        "certificate verify failed",
        "Add the server's CA certificate to ~/.postgresql/root.crt of the user that runs dbackup, or name its file with sslrootcert",
    ),
    ("root certificate file", "Put the server's CA certificate there, or choose an encryption that does not check it"),
    ("server certificate for", "Use the host name that the certificate is for"),
    ("server does not support SSL", "Switch TLS on at the server (ssl = on), or do without encryption"),
    (
        "pg_hba.conf rejects connection",
        "A reject line in the server's pg_hba.conf fits this user, database and address: put one that allows them before it",
    ),
    (
        "no pg_hba.conf entry*no encryption",
        "Switch encryption on, or allow this user and address without it in the server's pg_hba.conf",
    ),
    ("no pg_hba.conf entry", "Allow this user, database and address in the server's pg_hba.conf"),
    ("permission denied for database \"*\"", "Run as a superuser: GRANT CONNECT ON DATABASE \"<name>\" TO <role>"),
    (
        "cannot connect to invalid database \"*\"",
        "An interrupted DROP DATABASE left it unusable: DROP DATABASE \"<name>\"",
    ),
    ("database \"*\" is not currently accepting connections", "ALTER DATABASE \"<name>\" ALLOW_CONNECTIONS true"),
    ("too many connections for", "Raise the connection limit of the role or the database, or end other sessions"),
    ("remaining connection slots are reserved", "Raise max_connections at the server, or end other sessions"),
    ("sorry, too many clients already", "Raise max_connections at the server, or end other sessions"),
    (
        "no such database: *",
        "PgBouncer does not know this database: add it to [databases] in pgbouncer.ini, or connect to PostgreSQL itself",
    ),
    (
        "unsupported startup parameter",
        "Add the parameter to ignore_startup_parameters in pgbouncer.ini, or connect to PostgreSQL itself",
    ),
    (
        "definition of service \"*\" not found",
        "Define the service in ~/.pg_service.conf of the user that runs dbackup, or in the file that PGSERVICEFILE names",
    ),
    ("session is not read-write", "None of the hosts is a primary: check target_session_attrs and the hosts"),
    ("session is read-only", "None of the hosts is a primary: check target_session_attrs and the hosts"),
    ("the database system is starting up", "Wait until the server has started, then try again"),
    ("the database system is shutting down", "Start the server, then try again"),
    ("FATAL:  role \"*\" is not permitted to log in", "ALTER ROLE \"<name>\" LOGIN"),
    ("FATAL:  role \"*\" does not exist", "Check the user"),
    ("database \"*\" does not exist", "Check the database's name"),
    ("Connection refused", "Check that the server is running, and that host and port are right"),
    (
        "No such file or directory*Is the server running locally",
        "Check that the server is running, and that the socket's folder and the port are right",
    ),
    ("could not translate host name", "Check the host's name"),
    ("timeout expired", "Check that the server can be reached from here"),
    ("Connection timed out", "Check that the server can be reached from here"),
    (
        "due to conflict with recovery",
        "The standby applied a change to rows that were being read: set hot_standby_feedback = on there (or raise \
         max_standby_streaming_delay), or use the primary",
    ),
    ("No space left on device", "Free space on the server, then try again"),
    ("server closed the connection", "The server went away: see its log, then try again"),
    ("terminating connection", "The server ended the connection: see its log, then try again"),
];

pub(super) const ASK: &[Cure] = &[
    (
        "invalid byte sequence for encoding",
        "The server's encoding cannot hold this name: restore under a name of ASCII letters",
    ),
    ("canceling statement due to statement timeout", "The server is overloaded, or locks are held: try again later"),
    ("permission denied to create database", "Give the role CREATEDB, or restore into an existing empty database"),
    ("permission denied to terminate process", "Restore as a superuser, or end the database's other sessions first"),
    ("is being accessed by other users", "End the database's other sessions, then try again"),
    ("cannot drop the currently open database", ENTRY),
    ("current database cannot be renamed", ENTRY),
    ("used by logical replication subscription", "Drop the database's subscriptions first (DROP SUBSCRIPTION)"),
    ("logical replication slot", "Drop the database's replication slots first (pg_drop_replication_slot)"),
    ("permission denied for tablespace *", "Run as a superuser: GRANT CREATE ON TABLESPACE \"<name>\" TO <role>"),
    (
        "permission denied to set parameter \"*\"",
        "Only a superuser may set <name>: restore as a superuser, or set it afterwards",
    ),
    (
        "encoding \"*\" does not match locale",
        "Create the database first, empty, with a locale that fits <name> (C fits all), and restore into it",
    ),
    ("must be member of role \"*\"", MEMBERSHIP),
    ("must be able to SET ROLE \"*\"", MEMBERSHIP),
    (
        "cannot execute*in a read-only transaction",
        "Connect to the primary server: this one is a standby or set to read only",
    ),
    ("cannot execute*during recovery", "Connect to the primary server: this one is a standby"),
    ("must be owner of database *", "Restore as the database's owner or a superuser"),
    ("role \"*\" does not exist", "Create the role first: CREATE ROLE \"<name>\" NOLOGIN"),
    ("permission denied for", READ_EVERYTHING),
    // Whatever the server's language is.
    ("SQLSTATE 42501", "Give the role the right that the server misses, or use a superuser"),
    ("SQLSTATE 57014", "The server is overloaded, or locks are held: try again later"),
    ("SQLSTATE 55006", "End the database's other sessions, then try again"),
    ("SQLSTATE 55P03", "Another session holds a lock: end it, or wait until its transaction has ended"),
    ("SQLSTATE 53100", "Free space on the server, then try again"),
    ("SQLSTATE 53300", "Raise max_connections at the server, or end other sessions"),
    ("SQLSTATE 25006", "Connect to the primary server: this one is a standby or set to read only"),
];

pub(super) const DUMP: &[Cure] = &[
    ("query would be affected by row-level security policy", BYPASS_ROW_SECURITY),
    ("permission denied for large object", LARGE_OBJECTS),
    ("permission denied for user mapping", "Back up as a superuser"),
    (
        "permission denied for foreign server *",
        "Run as a superuser: GRANT USAGE ON FOREIGN SERVER \"<name>\" TO <role>",
    ),
    ("permission denied for function *", "Run as a superuser: GRANT EXECUTE ON FUNCTION \"<name>\" TO <role>"),
    ("permission denied for *", READ_EVERYTHING),
    (
        "permission denied to set parameter \"*\"",
        "Only a superuser may set <name>: back up as a superuser, or RESET it for the database",
    ),
    ("out of shared memory", LOCKS),
    (
        "canceling statement due to lock timeout",
        "Another session held a table's lock for ten minutes: end it, then try again",
    ),
    ("lock timeout", "Another session held a table's lock for ten minutes: end it, then try again"),
    ("canceling statement due to user request", "Somebody cancelled the dump at the server: run it again"),
    (
        "character with byte sequence*no equivalent in encoding",
        "A value does not fit into the dump's encoding: see the server's log for the table",
    ),
    (
        "invalid byte sequence for encoding",
        "A value is not valid in the database's encoding: find and correct it, then try again",
    ),
    ("invalid page in block", "A page of the database is damaged: restore an older backup, or salvage the table first"),
    ("missing chunk number", "A TOAST value is damaged: find and remove the row, or restore an older backup"),
    ("could not read block", "The server cannot read its disk: check the disk and the server's log"),
    ("could not access file \"*\"", "Install the library <name> at the server"),
    ("server version mismatch", "Install the server's major version of the PostgreSQL client tools"),
    ("cache lookup failed", "An object was dropped during the dump, or the catalog is damaged: run again"),
    (
        "invalid memory alloc request size",
        "A value is too large or damaged: find the row in the table that the server's log names",
    ),
];

pub(super) const RESTORE: &[Cure] = &[
    ("FATAL:  role \"*\" does not exist", "Check the user"),
    (
        "FATAL:  permission denied for database \"*\"",
        "Run as a superuser: GRANT CONNECT ON DATABASE \"<name>\" TO <role>",
    ),
    ("permission denied to create database", "Give the role CREATEDB, or restore into an existing empty database"),
    (
        "permission denied to create extension \"*\"",
        "Run as a superuser in the target: CREATE EXTENSION \"<name>\", or restore as a superuser",
    ),
    (
        "must be owner of extension *",
        "Restore as a superuser, or go on past it (--on-error continue): only the extension's comment is missing then",
    ),
    ("extension \"*\" is not available", "Install the package of the extension <name> at the server"),
    (
        "could not open extension control file*/*.control",
        "Install the extension's package at the server (PostGIS: postgresql-<major>-postgis-3)",
    ),
    (
        "can only create extension in database *",
        "This extension works in the database <name> only: restore in place, under that name",
    ),
    (
        "must be loaded via shared_preload_libraries",
        "Add the extension's library to shared_preload_libraries at the server and restart it",
    ),
    ("could not access file \"*\"", "Install the library <name> at the server"),
    ("language \"*\" does not exist", "Install the language's package at the server, then CREATE EXTENSION \"<name>\""),
    (
        "permission denied for language *",
        "Restore as a superuser, or as one: GRANT USAGE ON LANGUAGE \"<name>\" TO <role>",
    ),
    (
        "permission denied for schema public",
        "PostgreSQL 15 and later let only the owner create objects in schema public: restore as the database's owner or a superuser, or GRANT CREATE ON SCHEMA public TO <role>",
    ),
    (
        "permission denied for schema *",
        "Restore as a superuser, or as one: GRANT USAGE, CREATE ON SCHEMA \"<name>\" TO <role>",
    ),
    ("permission denied for tablespace *", "Run as a superuser: GRANT CREATE ON TABLESPACE \"<name>\" TO <role>"),
    ("tablespace \"*\" does not exist", "Create the tablespace first: CREATE TABLESPACE \"<name>\" LOCATION '/folder'"),
    ("permission denied for large object", "Restore as a superuser, or with --no-owner"),
    (
        "permission denied for foreign-data wrapper *",
        "Restore as a superuser, or as one: GRANT USAGE ON FOREIGN DATA WRAPPER \"<name>\" TO <role>",
    ),
    (
        "permission denied for foreign server *",
        "Restore as a superuser, or as one: GRANT USAGE ON FOREIGN SERVER \"<name>\" TO <role>",
    ),
    ("foreign-data wrapper \"*\" does not exist", "Create its extension first: CREATE EXTENSION \"<name>\""),
    ("permission denied for database *", "Run as a superuser: GRANT CREATE, CONNECT ON DATABASE \"<name>\" TO <role>"),
    (
        "permission denied for function *",
        "Restore as a superuser, or as one: GRANT EXECUTE ON FUNCTION \"<name>\" TO <role>",
    ),
    (
        "permission denied to create event trigger",
        "Only a superuser may create event triggers: restore as one, or go on past it (--on-error continue)",
    ),
    (
        "permission denied to create \"pg_catalog.",
        "The backup holds objects in pg_catalog: go on past them (--on-error continue)",
    ),
    (
        "permission denied to set parameter \"*\"",
        "Only a superuser may set <name>: restore as a superuser, or go on past it (--on-error continue)",
    ),
    ("permission denied to change default privileges", MEMBERSHIP_DEFAULTS),
    ("must be superuser to create", "Restore as a superuser, or go on past it (--on-error continue)"),
    ("must be superuser", "Restore as a superuser, or go on past it (--on-error continue)"),
    ("must be member of role \"*\"", MEMBERSHIP),
    ("must be able to SET ROLE \"*\"", MEMBERSHIP),
    ("must be owner of", "Restore as the owner or a superuser, or with --no-owner"),
    ("permission denied for", "Restore as a superuser, or with --no-owner"),
    ("permission denied to", "Restore as a superuser, or go on past it (--on-error continue)"),
    ("out of shared memory", LOCKS),
    (
        "encoding \"*\" does not match locale",
        "Create the target first, empty, with a locale that fits <name> (C fits all), and restore into it",
    ),
    (
        "new encoding (*) is incompatible",
        "Create the target from template0 with ENCODING '<name>', and restore into it",
    ),
    (
        "collation \"*\" for encoding*does not exist",
        "Install the locale <name> at the server's operating system and run pg_import_system_collations",
    ),
    (
        "invalid locale name: \"*\"",
        "Install the locale <name> at the server's operating system (Debian: dpkg-reconfigure locales), then restart PostgreSQL",
    ),
    (
        "no equivalent in encoding \"*\"",
        "The target's encoding is <name>, and lacks a character of the backup: restore into a database with the encoding UTF8",
    ),
    (
        "invalid byte sequence for encoding",
        "The target's encoding does not fit the backup's: restore into a new database",
    ),
    (
        "cannot execute*in a read-only transaction",
        "Connect to the primary server, or switch default_transaction_read_only off for the role and the database",
    ),
    ("cannot execute*during recovery", "Connect to the primary server: this one is a standby"),
    (
        "role \"*\" does not exist",
        "Create the role first: CREATE ROLE \"<name>\" NOLOGIN. Restoring with --no-owner helps with owners and privileges, not with policies and user mappings",
    ),
    ("function *does not exist", SEARCH_PATH),
    ("relation \"*\" does not exist", SEARCH_PATH),
    ("operator does not exist", SEARCH_PATH),
    (
        "type \"*\" does not exist",
        "Create its extension first, or where a function names it without its schema: ALTER FUNCTION ... SET search_path = public in the source database",
    ),
    ("text search configuration \"*\" does not exist", SEARCH_PATH),
    (
        "unrecognized configuration parameter \"*\"",
        "The server is older than the backup, or an extension is not loaded: restore into a server of the backup's version or newer",
    ),
    (
        "violates foreign key constraint",
        "The source's rows break their own constraint: go on past it (--on-error continue), then correct the rows",
    ),
    (
        "violates check constraint",
        "The source's rows break their own constraint, or its function needs a search_path: go on past it (--on-error continue)",
    ),
    (
        "violates partition constraint",
        "The target's collation differs from the source's: restore into a database with the source's locale",
    ),
    (
        "could not create unique index \"*\"",
        "The rows are no longer unique under the target's collation or in the source: go on past it (--on-error continue), then correct the rows",
    ),
    ("schema \"*\" already exists", "The target is not empty: drop the schema, or restore into a new database"),
    ("already exists", "The target is not empty: restore into a new database"),
    ("unsupported version", "The backup comes from a newer pg_dump: install client tools of that version"),
    ("is being accessed by other users", "End the database's other sessions, then try again"),
];

const MEMBERSHIP_DEFAULTS: &str = "Restore with --no-owner, or as a superuser";
const SEARCH_PATH: &str = "A restore runs with an empty search_path. Give the function that uses this name its own, in the source database: ALTER FUNCTION ... SET search_path = public; or go on past it (--on-error continue)";
