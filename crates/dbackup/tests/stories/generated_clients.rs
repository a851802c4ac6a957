//! What other programs make of the API's description: it is valid, a linter has no error to tell, and the client that a generator makes
//! of it lives a whole life. The second generator is the web UI's (`npm run check`).

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use test_support::{describe, tools};

use crate::serving::Serving;
use crate::world::World;

/// The reviewed description, which a test of the server compares with its own.
fn description() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/openapi.json")
}

#[track_caller]
fn succeed(command: &mut Command) -> Output {
    let output =
        command.output().unwrap_or_else(|error| panic!("{command:?}: {error}: run scripts/install-test-tools"));
    assert!(output.status.success(), "{}", describe(&output));
    output
}

// S-11
#[test]
fn the_description_is_valid_openapi() {
    succeed(Command::new(tools().join("api-venv/bin/openapi-spec-validator")).arg(description()));
}

#[test]
fn the_linter_finds_no_error_in_the_description() {
    let world = World::new();
    let rules = world.path("tmp/rules.json");
    std::fs::write(&rules, r#"{"extends": "spectral:oas"}"#).unwrap();
    let mut linter = Command::new(tools().join("spectral/node_modules/.bin/spectral"));
    let node = tools().join("node/bin");
    let path = format!("{}:{}", node.display(), std::env::var("PATH").unwrap());
    linter.env("PATH", path).args(["lint", "--fail-severity", "error", "--ruleset"]).arg(rules).arg(description());
    succeed(&mut linter);
}

// S-11
#[test]
fn a_generated_client_lives_a_whole_life() {
    let world = World::new();
    let generated = world.path("tmp");
    let mut generator = Command::new(tools().join("api-venv/bin/openapi-python-client"));
    generator.args(["generate", "--meta", "none", "--path"]).arg(description()).arg("--output-path");
    generator.arg(generated.join("dbackup_client"));
    let output = succeed(&mut generator);
    // It leaves out what it does not understand. Streams are the only thing that it may not.
    let words = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    for warning in words.lines().filter(|line| line.starts_with("WARNING")) {
        assert!(warning.contains("/events"), "{warning}\n{words}");
    }
    let mut server = Serving::start(&world, &["--log", "warn"]);
    server.set_up();
    let folder = generated.join("life");
    std::fs::create_dir_all(folder.join("backups")).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories/generated_client.py");
    let mut life = Command::new(tools().join("api-venv/bin/python"));
    life.env("PYTHONPATH", &generated).env("PYTHONDONTWRITEBYTECODE", "1").arg(script);
    life.arg(&server.url).arg(server.token.as_ref().unwrap()).arg(&folder);
    let output = succeed(&mut life);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "lived\n");
}
