//! Names of every kind, all the way from the database to Dropbox and back.

use test_support::{PostgresServer, PostgresVersion};

use crate::world::{Ran, World};

const NAMES: [&str; 6] = ["a b", "-x", "ü😀", "x\"; drop", "o'clock\\", "100%/.."];

#[test]
fn databases_and_jobs_can_be_called_anything() {
    let world = World::new();
    let server = PostgresServer::start(PostgresVersion::Debian);
    let (key, recipient) = world.key("key.txt");
    let address = server.address("");
    for name in NAMES {
        server.sql("postgres", &format!("CREATE DATABASE \"{}\"", name.replace('"', "\"\"")));
        server.sql(name, "CREATE TABLE t AS SELECT current_database()::text AS x");
        let job = format!("--job={name}");
        let database = format!("--database={name}");
        world
            .run(&["backup", "--source", &address, &database, "--to", "dropbox:/b", &job, "--recipient", &recipient])
            .succeeded();
        let list = world.run(&["list", "dropbox:/b", &job, "--json"]).succeeded().objects();
        assert_eq!((list.len(), &list[0]["job"], &list[0]["database"]), (2, &name.into(), &name.into()), "{list:?}");
        server.sql("postgres", "DROP DATABASE IF EXISTS restored");
        let target = server.address("restored");
        world.run(&["restore", "dropbox:/b", &job, "--latest", "--target", &target, "--identity", &key]).succeeded();
        assert_eq!(server.sql("restored", "SELECT x FROM t").trim_end_matches('\n'), name);
        // By its path, too, and into itself.
        let own: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let path = list[0]["path"].as_str().unwrap();
        let into_itself =
            ["restore", "dropbox:/b", path, "--target", &server.address(&own), "--identity", &key, "--overwrite"];
        world.run(&into_itself).succeeded();
        assert_eq!(server.sql(name, "SELECT x FROM t").trim_end_matches('\n'), name);
    }
}

#[test]
fn jobs_that_differ_only_by_case_do_not_mix() {
    let world = World::new();
    for (job, rows) in [("Shop", 10), ("shop", 20)] {
        let (_, source) = world.sqlite(&format!("{job}.db"), rows);
        world.run(&["backup", "--source", &source, "--to", "dropbox:/b", "--job", job]).succeeded();
    }
    for (job, expected) in [("Shop", 10), ("shop", 20)] {
        let list = world.run(&["list", "dropbox:/b", "--job", job, "--json"]).succeeded();
        assert_eq!(list.result()["backups"], 1, "{}", list.stdout);
        let target = world.path(&format!("restored-{job}.db"));
        let address = format!("sqlite://{}", target.display());
        world.run(&["restore", "dropbox:/b", "--job", job, "--latest", "--target", &address]).succeeded();
        assert_eq!(crate::world::rows(&target).len(), expected, "{job}");
    }
}

#[test]
fn a_jobs_name_is_one_in_whatever_form_it_is_spelt() {
    // M-12
    let world = World::new();
    std::fs::create_dir(world.path("disk")).unwrap();
    let forms = ["caf\u{e9}", "cafe\u{301}"];
    let (path, source) = world.sqlite("shop.db", 10);
    for place in ["dropbox:/b".to_owned(), format!("file://{}", world.path("disk").display())] {
        for job in forms {
            world.run(&["backup", "--source", &source, "--to", &place, "--job", job]).succeeded();
        }
        for (number, job) in forms.into_iter().enumerate() {
            let list = world.run(&["list", &place, "--job", job, "--json"]).succeeded();
            assert_eq!(list.result()["backups"], 2, "{place}: {}", list.stdout);
            let target = world.path(&format!("restored-{number}.db"));
            let address = format!("sqlite://{}", target.display());
            world.run(&["restore", &place, "--job", job, "--latest", "--target", &address, "--overwrite"]).succeeded();
            assert_eq!(crate::world::rows(&target), crate::world::rows(&path), "{place}, {job}");
        }
    }
}

#[test]
fn sources_that_share_a_jobs_name_are_not_taken_for_each_other() {
    let world = World::new();
    for folder in ["one", "two"] {
        std::fs::create_dir(world.path(folder)).unwrap();
        let (_, source) = world.sqlite(&format!("{folder}/shop.db"), 10);
        world.run(&["backup", "--source", &source, "--to", "dropbox:/b"]).succeeded();
    }
    let target = format!("sqlite://{}", world.path("target.db").display());
    let refused = world.run(&["restore", "dropbox:/b", "--job", "shop", "--latest", "--target", &target]).ended_with(2);
    assert!(
        refused.stderr.contains("several sources") && refused.stderr.contains("/two/shop.db"),
        "{}",
        refused.stderr
    );
}

#[test]
fn files_with_difficult_paths() {
    let world = World::new();
    for name in ["a b ü😀.db", "-x.db", "x\"; drop.db", "100%.db"] {
        let (path, _) = world.sqlite(name, 10);
        let source = format!("sqlite://{}", path.display().to_string().replace('%', "%25"));
        world.run(&["backup", "--source", &source, "--to", "dropbox:/b"]).succeeded();
        let job = format!("--job={}", name.trim_end_matches(".db"));
        let target =
            format!("sqlite://{}", world.path(&format!("copy of {name}")).display().to_string().replace('%', "%25"));
        Ran::of(&mut world.command(&["restore", "dropbox:/b", &job, "--latest", "--target", &target])).succeeded();
        assert_eq!(crate::world::rows(&world.path(&format!("copy of {name}"))), crate::world::rows(&path));
    }
}
