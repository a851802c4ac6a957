//! README's first walk, followed line by line: two databases to one Dropbox folder, listed, both restored.

use std::fs;
use std::process::Command;

use test_support::{PostgresServer, PostgresVersion};

use crate::world::{Ran, World, rows};

/// The commands of README's first walk after the login, each on one line and without its comment.
fn commands() -> Vec<String> {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).unwrap();
    let (_, walk) = readme.split_once("## Your own database to your own Dropbox").unwrap();
    let (walk, _) = walk.split_once("\n## ").unwrap();
    let joined = walk.replace("\\\n", " ");
    let commands = joined.lines().map(|line| line.split("  #").next().unwrap_or(line).trim());
    let after_login = ["dbackup keygen", "dbackup backup", "dbackup list", "dbackup restore"];
    commands.filter(|line| after_login.iter().any(|start| line.starts_with(start))).map(str::to_owned).collect()
}

fn follow(world: &World, command: &str) -> Ran {
    let dbackup = format!("'{}'", env!("CARGO_BIN_EXE_dbackup"));
    let mut bash = Command::new("bash");
    // The same environment as that of the program in every other story.
    let prepared = world.command(&[]);
    bash.env_clear().current_dir(world.path("cwd"));
    bash.envs(prepared.get_envs().filter_map(|(name, value)| Some((name, value?))));
    bash.args(["-c", &command.replacen("dbackup", &dbackup, 1)]);
    Ran::of(&mut bash)
}

#[test]
fn the_first_walk_of_the_readme_ends_in_two_restores() {
    let world = World::new();
    let postgres = PostgresServer::start(PostgresVersion::Debian);
    postgres.sql("postgres", "CREATE DATABASE shop");
    postgres.sql("shop", "CREATE TABLE t AS SELECT generate_series(1, 1000) x");
    let (sqlite, _) = world.sqlite("shop.db", 500);
    fs::create_dir(world.path("disk")).unwrap();

    let mut recipient = String::new();
    let mut listed = Vec::new();
    let commands = commands();
    let verbs: Vec<&str> = commands.iter().filter_map(|command| command.split_whitespace().nth(1)).collect();
    assert_eq!(verbs, ["keygen", "backup", "backup", "list", "restore", "restore"], "{commands:?}");
    for command in commands {
        let example = command.split('"').find(|word| word.contains("/backup_")).map(str::to_owned);
        let mut command = command
            .replace("age1...", &recipient)
            .replace("me@db.example:5432", &format!("postgres@127.0.0.1:{}", postgres.port()))
            .replace("/srv", world.path("").display().to_string().trim_end_matches('/'))
            .replace("/mnt/disk", &world.path("disk").display().to_string());
        if let Some(example) = example {
            // Its time is another one; all else must be as README has it.
            let (start, end) = example.split_once("_2026-01-15T12-00-00").unwrap();
            let fits = |path: &&String| path.starts_with(start) && path.ends_with(end);
            let path = listed.iter().find(fits).unwrap_or_else(|| panic!("{example} is none of {listed:?}"));
            command = command.replace(&example, path);
        }
        let ran = follow(&world, &command).succeeded();
        if command.contains("keygen") {
            recipient = ran.stdout.trim().to_owned();
        }
        if command.contains("dbackup list") {
            listed =
                ran.stdout.split_whitespace().filter(|word| word.contains("/backup_")).map(str::to_owned).collect();
        }
    }
    assert_eq!(rows(&world.path("restored.db")), rows(&sqlite));
    assert_eq!(postgres.sql("shop_restored", "SELECT count(*) FROM t").trim(), "1000");
}
