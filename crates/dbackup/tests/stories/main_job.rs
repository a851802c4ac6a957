//! The main job: a database goes encrypted to Dropbox in one pass, is listed, and comes back identical.

use std::fs;
use std::process::Command;

use domain::Sidecar;
use test_support::{PostgresServer, PostgresVersion, run};

use crate::world::{World, rows};

const PEOPLE: &str = "CREATE TABLE people (id int PRIMARY KEY, name text, raw bytea);
    INSERT INTO people SELECT n, 'name ' || n, sha256(n::text::bytea) FROM generate_series(1, 50000) n;
    SELECT lo_from_bytea(0, repeat('large', 100000)::bytea);";
const PEOPLE_DIGEST: &str = "SELECT md5(string_agg(p::text, '|' ORDER BY id)) FROM people p; SELECT md5(string_agg(md5(data), '|' ORDER BY pageno)) FROM pg_largeobject";

// S-01
#[test]
fn a_sqlite_database_goes_to_dropbox_and_comes_back() {
    // M-11, M-12, M-13, M-14
    let world = World::new();
    let (key, recipient) = world.key("key.txt");
    let (path, source) = world.sqlite("shop.db", 100_000);
    let backup =
        world.run(&["backup", "--source", &source, "--to", "dropbox:/backups", "--recipient", &recipient]).succeeded();
    assert!(backup.stdout.contains("dropbox:/backups shop/backup_"), "{}", backup.stdout);

    let list = world.run(&["list", "dropbox:/backups", "--json"]).succeeded().objects();
    let [listed, result] = &list[..] else { panic!("{list:?}") };
    let stored_path = listed["path"].as_str().unwrap();
    assert_eq!(
        (&listed["job"], &listed["encrypted"], &listed["sidecar"]),
        (&"shop".into(), &true.into(), &true.into())
    );
    assert_eq!(result["backups"], 1);
    assert!(stored_path.starts_with("shop/backup_") && stored_path.ends_with(".db.zst.age"));
    assert_eq!(world.stored(), [format!("/backups/{stored_path}"), format!("/backups/{stored_path}.meta.json")]);

    let target = world.path("restored.db");
    let target_address = format!("sqlite://{}", target.display());
    let restore =
        ["restore", "dropbox:/backups", "--job", "shop", "--latest", "--target", &target_address, "--identity", &key];
    world.run(&restore).succeeded();
    assert!(rows(&target) == rows(&path));
    world.run(&restore).failed_saying(&["holds data", "--overwrite"]);
    world.run(&[&restore[..], &["--overwrite"]].concat()).succeeded();
    assert!(rows(&target) == rows(&path));

    let fetched = world.path("fetched.db").display().to_string();
    world.run(&["get", "dropbox:/backups", stored_path, "--output", &fetched, "--identity", &key]).succeeded();
    assert!(rows(fetched.as_ref()) == rows(&path));
    world.run(&["get", "dropbox:/backups", stored_path, "--output", &fetched]).ended_with(2);
    let raw = world.path("raw").display().to_string();
    world.run(&["get", "dropbox:/backups", stored_path, "--output", &raw, "--raw"]).succeeded();
    assert_eq!(fs::read(raw).unwrap(), world.dropbox().read(&format!("/backups/{stored_path}")).unwrap());

    world.run(&["delete", "dropbox:/backups", stored_path]).ended_with(2);
    world.run(&["delete", "dropbox:/backups", stored_path, "--yes"]).succeeded();
    assert!(world.stored().is_empty());
    world.run(&["delete", "dropbox:/backups", stored_path, "--yes"]).failed_saying(&["does not exist"]);
    assert!(world.strays().is_empty(), "{:?}", world.strays());
}

fn postgres_story(version: PostgresVersion) {
    let world = World::new();
    let server = PostgresServer::start(version);
    let (key, recipient) = world.key("key.txt");
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", PEOPLE);
    let run_dbackup = |arguments: &[&str]| {
        let mut command = world.command(arguments);
        command.env("DBACKUP_POSTGRES_BIN", server.bin());
        crate::world::Ran::of(&mut command)
    };
    let backup = run_dbackup(&[
        "backup",
        "--source",
        &server.address("shop"),
        "--to",
        "dropbox:/",
        "--recipient",
        &recipient,
        "--json",
    ]);
    let result = backup.succeeded().result();
    assert_eq!(result["status"], "succeeded");
    let path = result["backups"][0]["path"].as_str().unwrap();
    assert!(path.starts_with("shop/backup_") && path.ends_with("_shop.dump.zst.age"), "{path}");
    run_dbackup(&["restore", "dropbox:/", path, "--target", &server.address("copy"), "--identity", &key]).succeeded();
    assert_eq!(server.sql("copy", PEOPLE_DIGEST), server.sql("shop", PEOPLE_DIGEST));

    // Stock tools open every layer.
    let stored = world.path("stored.age");
    fs::write(&stored, world.dropbox().read(&format!("/{path}")).unwrap()).unwrap();
    server.sql("postgres", "CREATE DATABASE stock");
    let script = format!(
        "set -o pipefail; age -d -i '{key}' '{}' | zstd -d | '{}' -h 127.0.0.1 -p {} -U postgres -d stock --exit-on-error",
        stored.display(),
        server.bin().join("pg_restore").display(),
        server.port()
    );
    run(Command::new("bash").args(["-c", &script]));
    assert_eq!(server.sql("stock", PEOPLE_DIGEST), server.sql("shop", PEOPLE_DIGEST));
    assert!(world.strays().is_empty(), "{:?}", world.strays());
}

#[test]
fn a_postgresql_database_goes_to_dropbox_and_stock_tools_open_it() {
    postgres_story(PostgresVersion::Debian);
}

#[test]
fn postgresql_17_too() {
    postgres_story(PostgresVersion::V17);
}

#[test]
fn postgresql_14_too() {
    postgres_story(PostgresVersion::V14);
}

// S-02
#[test]
fn all_databases_of_a_server_to_two_destinations() {
    let world = World::new();
    let server = PostgresServer::start(PostgresVersion::Debian);
    for database in ["shop", "Shop"] {
        server.sql("postgres", &format!("CREATE DATABASE \"{database}\""));
        server.sql(database, &format!("CREATE TABLE t AS SELECT '{database}' AS x"));
    }
    fs::create_dir(world.path("disk")).unwrap();
    let disk = format!("file://{}", world.path("disk").display());
    let server_address = server.address("");
    let backup =
        ["backup", "--source", &server_address, "--to", "dropbox:/b", "--to", &disk, "--job", "nightly", "--json"];
    let result = world.run(&backup).succeeded().result();
    assert_eq!(result["backups"].as_array().unwrap().len(), 6, "three databases, two destinations");
    for place in ["dropbox:/b", &disk] {
        assert_eq!(world.run(&["list", place, "--job", "nightly", "--json"]).succeeded().result()["backups"], 3);
        // Dropbox takes shop and Shop for the same name, and one of them got another.
        for database in ["shop", "Shop"] {
            let target = server.address(&format!("restored_{}", if database == "shop" { "lower" } else { "upper" }));
            let restore = [
                "restore",
                place,
                "--job",
                "nightly",
                "--latest",
                "--database",
                database,
                "--target",
                &target,
                "--overwrite",
            ];
            world.run(&restore).succeeded();
            assert_eq!(server.sql(target.rsplit('/').next().unwrap(), "SELECT x FROM t").trim(), database);
        }
    }
    let target = server.address("x");
    world.run(&["restore", "dropbox:/b", "--job", "nightly", "--latest", "--target", &target]).ended_with(2);
}

#[test]
fn the_sidecar_tells_everything() {
    let world = World::new();
    let (_, recipient) = world.key("key.txt");
    let (path, source) = world.sqlite("shop.db", 1000);
    let backup = [
        "backup",
        "--source",
        &source,
        "--to",
        "dropbox:/",
        "--job",
        "a job",
        "--recipient",
        &recipient,
        "--compression",
        "gzip:9",
    ];
    world.run(&backup).succeeded();
    let stored = world.stored();
    let sidecar: Sidecar = serde_json::from_slice(&world.dropbox().read(&stored[1]).unwrap()).unwrap();
    let content = world.dropbox().read(&stored[0]).unwrap();
    assert_eq!(sidecar.version, 2);
    assert_eq!((&*sidecar.job_name, &*sidecar.database, &*sidecar.trigger), ("a job", "shop", "manual"));
    assert_eq!(sidecar.source_name, source);
    assert_eq!(sidecar.encryption.unwrap().recipients, [recipient]);
    assert_eq!(sidecar.size.stored, content.len() as u64);
    assert_eq!(sidecar.size.plain, fs::metadata(&path).unwrap().len());
    assert_eq!(sidecar.checksum.sha256_stored, sha256(&content));
    assert_eq!(sidecar.checksum.others.get("dropbox-content-hash").unwrap(), dropbox::ContentHasher::of(&content));
    assert_eq!(format!("/a job/{}", sidecar.original_file_name), stored[0]);
}

fn sha256(data: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(data).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_name_that_is_taken_gets_a_number_and_nothing_is_overwritten() {
    let world = World::new();
    let (_, source) = world.sqlite("shop.db", 10);
    fs::create_dir(world.path("disk")).unwrap();
    let disk = format!("file://{}", world.path("disk").display());
    // Faster than a second apart, and at once.
    let runs: Vec<_> = (0..6)
        .map(|_| world.command(&["backup", "--source", &source, "--to", "dropbox:/", "--to", &disk]).spawn().unwrap())
        .collect();
    for mut run in runs {
        assert!(run.wait().unwrap().success());
    }
    assert_eq!(world.stored().len(), 12, "{:?}", world.stored());
    for place in ["dropbox:/", &disk] {
        let objects = world.run(&["list", place, "--json"]).succeeded().objects();
        assert_eq!(objects.len(), 7, "{objects:?}");
        assert!(objects[..6].iter().all(|object| object["sidecar"] == true), "{objects:?}");
    }
}
