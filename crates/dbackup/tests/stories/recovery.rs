//! The worst day: the server is gone, and there are only the backups, the recovery sheet and stock tools.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use test_support::{PostgresServer, PostgresVersion, run};

use crate::serving::Serving;
use crate::world::{Ran, World, rows};

/// The programs of a machine that has only what the sheet asks for.
fn bare_machine(world: &World) -> String {
    let folder = world.path("bare");
    fs::create_dir(&folder).unwrap();
    let found = |name: &str| {
        let path = std::env::var_os("PATH").unwrap();
        std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file()).unwrap()
    };
    for name in ["age", "zstd", "gzip", "bash"] {
        std::os::unix::fs::symlink(found(name), folder.join(name)).unwrap();
    }
    std::os::unix::fs::symlink(PostgresVersion::Debian.bin().join("pg_restore"), folder.join("pg_restore")).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_dbackup"), folder.join("dbackup")).unwrap();
    folder.display().to_string()
}

fn follow(world: &World, bare: &str, command: &str, server: &PostgresServer) {
    let mut bash = Command::new("bash");
    bash.args(["-c", &format!("set -o pipefail; {command}")]).env_clear().env("PATH", bare);
    bash.env("HOME", world.path("home")).current_dir(world.path("cwd"));
    bash.env("PGHOST", "127.0.0.1").env("PGPORT", server.port().to_string()).env("PGUSER", "postgres");
    run(&mut bash);
}

// S-12
#[test]
fn each_line_of_the_recovery_sheet_opens_what_it_names() {
    let world = World::new();
    let postgres = PostgresServer::start(PostgresVersion::Debian);
    postgres.sql("postgres", "CREATE ROLE app");
    postgres.sql("postgres", "CREATE DATABASE shop OWNER app");
    postgres.sql("postgres", "ALTER DATABASE shop SET timezone = 'Asia/Tokyo'");
    postgres.sql("shop", "SET ROLE app; CREATE TABLE t (x int); INSERT INTO t SELECT generate_series(1, 1000)");
    let (sqlite, sqlite_address) = world.sqlite("notes.db", 500);
    fs::create_dir(world.path("disk")).unwrap();
    let disk = format!("file://{}", world.path("disk").display());

    let mut server = Serving::start(&world, &[]);
    server.set_up();
    let destination = json!({"name": "Disk", "settings": {"type": "folder", "path": world.path("disk")}});
    server.post("/api/destinations", &destination);
    let profile = server.post("/api/profiles", &json!({"name": "company"}));
    let recipient = profile["recipients"][0].as_str().unwrap().to_owned();
    let exported = server.post(&format!("/api/profiles/{}/export", profile["id"].as_str().unwrap()), &json!({}));
    let sheet = exported["recoverySheet"].as_str().unwrap().to_owned();
    drop(server);
    // Saved as it is, it is the key file.
    fs::write(world.path("cwd").join("key.txt"), &sheet).unwrap();
    assert!(sheet.contains(&disk), "{sheet}");

    for compression in ["zstd", "gzip", "none"] {
        for (job, source) in [("shop", postgres.address("shop")), ("notes", sqlite_address.clone())] {
            let job = format!("{job} {compression}");
            let arguments = ["--to", &disk, "--job", &job, "--compression", compression, "--recipient", &recipient];
            world.run(&[&["backup", "--source", &source][..], &arguments].concat()).succeeded();
        }
    }

    let bare = bare_machine(&world);
    let stored = |ending: &str| {
        let found = run(Command::new("find").arg(world.path("disk")).args(["-name", &format!("*{ending}")]));
        let plain = ["zst", "gz"].iter().all(|layer| !ending.contains(layer));
        let fits = |line: &&str| !plain || !line.contains(".zst.") && !line.contains(".gz.");
        found.lines().find(fits).unwrap_or_else(|| panic!("no *{ending}: {found}")).to_owned()
    };
    let stock: Vec<&str> = sheet.lines().filter_map(|line| line.strip_prefix("# .")).collect();
    assert_eq!(stock.len(), 6, "{sheet}");
    for line in stock {
        let (ending, command) = line.split_once(' ').unwrap();
        // A machine that never saw the database, nor its roles.
        let fresh = PostgresServer::start(PostgresVersion::Debian);
        follow(&world, &bare, &command.replace("FILE", &format!("'{}'", stored(&format!(".{ending}")))), &fresh);
        if ending.starts_with("dump") {
            let found = fresh.sql("shop", "SELECT count(*), current_setting('timezone') FROM t");
            assert_eq!(found.trim(), "1000|Asia/Tokyo", "{line}");
        } else {
            assert_eq!(rows(&world.path("cwd").join("restored.db")), rows(&sqlite), "{line}");
        }
    }

    let with_dbackup: Vec<&str> = sheet.lines().filter_map(|line| line.strip_prefix("# dbackup restore ")).collect();
    assert_eq!(with_dbackup.len(), 2, "{sheet}");
    let folder = world.path("cwd").display().to_string();
    for line in with_dbackup {
        let ending = if line.contains("sqlite:") { ".db.zst.age" } else { ".dump.zst.age" };
        let file = stored(ending);
        let relative = Path::new(&file).strip_prefix(world.path("disk")).unwrap().display().to_string();
        let command = line
            .replace("JOB/FILE", &relative)
            .replace("sqlite:///FOLDER", &format!("sqlite://{folder}/again"))
            .replace("USER@HOST/DATABASE", &format!("postgres@127.0.0.1:{}/again", postgres.port()));
        fs::create_dir_all(format!("{folder}/again")).unwrap();
        follow(&world, &bare, &format!("dbackup restore {command}"), &postgres);
    }
    assert_eq!(postgres.sql("again", "SELECT count(*) FROM t").trim(), "1000");
    assert_eq!(rows(&world.path("cwd").join("again/restored.db")), rows(&sqlite));
}

/// What docs/guide/restore.md says for a machine without dbackup.
#[test]
fn the_guides_lines_open_backups_without_dbackup() {
    let guide = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide/restore.md")).unwrap();
    let lines: Vec<&str> = guide.lines().filter(|line| line.starts_with("age -d ")).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    let world = World::new();
    let postgres = PostgresServer::start(PostgresVersion::Debian);
    postgres.sql("postgres", "CREATE DATABASE shop");
    postgres.sql("shop", "CREATE TABLE t AS SELECT generate_series(1, 1000) x");
    let (sqlite, sqlite_address) = world.sqlite("shop.db", 500);
    fs::create_dir(world.path("disk")).unwrap();
    let disk = format!("file://{}", world.path("disk").display());
    let (key, recipient) = world.key("key.txt");
    fs::copy(key, world.path("cwd").join("key.txt")).unwrap();
    for (job, source) in [("one", postgres.address("shop")), ("two", sqlite_address)] {
        world.run(&["backup", "--source", &source, "--to", &disk, "--job", job, "--recipient", &recipient]).succeeded();
    }
    let bare = bare_machine(&world);
    let fresh = PostgresServer::start(PostgresVersion::Debian);
    for line in lines {
        let example = line.split_whitespace().find(|word| word.starts_with("backup_")).unwrap();
        let (job, ending) =
            if example.contains(".db.") { ("one", "two/*.db.zst.age") } else { ("one", "one/*_shop.dump.zst.age") };
        assert!(
            example.contains("_shop") == ending.contains("_shop"),
            "{job}: {example} is no name that dbackup writes"
        );
        follow(&world, &bare, &line.replace(example, &format!("{}/{ending}", world.path("disk").display())), &fresh);
    }
    assert_eq!(fresh.sql("shop", "SELECT count(*) FROM t").trim(), "1000");
    assert_eq!(rows(&world.path("cwd").join("shop.db")), rows(&sqlite));
}

#[test]
fn a_database_is_backed_up_in_its_own_encoding_whatever_clients_prefer() {
    let world = World::new();
    let server = PostgresServer::start(PostgresVersion::Debian);
    fs::create_dir(world.path("disk")).unwrap();
    let disk = format!("file://{}", world.path("disk").display());
    for encoding in ["SQL_ASCII", "LATIN1"] {
        let name = format!("prefers_{}", encoding.to_lowercase());
        server.sql("postgres", &format!("CREATE DATABASE {name}"));
        server.sql("postgres", &format!("ALTER DATABASE {name} SET client_encoding = '{encoding}'"));
        server.sql(
            &name,
            "SET client_encoding = 'UTF8'; CREATE TABLE t (x text); INSERT INTO t VALUES (chr(8364) || chr(233))",
        );
        world.run(&["backup", "--source", &server.address(&name), "--to", &disk, "--job", &name]).succeeded();
        let target = server.address(&format!("{name}_2"));
        Ran::of(&mut world.command(&["restore", &disk, "--job", &name, "--latest", "--target", &target])).succeeded();
        let found = server.sql(&format!("{name}_2"), "SELECT length(x), current_setting('server_encoding') FROM t");
        assert_eq!(found.trim(), "2|UTF8", "{encoding}");
    }
}
