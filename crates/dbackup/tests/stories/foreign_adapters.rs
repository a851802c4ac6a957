//! A server that has adapters which this program was built without: what they need, the server says.

use std::fs;

use jiff::Timestamp;
use serde_json::{Value, json};
use server::{Clock, FirstAdministrator};
use tokio::runtime::Runtime;

use crate::world::{Ran, World};

const TOKEN: &str = "dbk_00112233445566778899aabbccddeeff00112233";

#[test]
fn a_source_and_a_destination_of_unknown_adapters_are_created_from_options_and_run_a_job() {
    let world = World::new();
    let file = |name: &str, text: &str| {
        fs::write(world.path(name), text).unwrap();
        world.path(name)
    };
    let administrator = FirstAdministrator {
        name: "Anna".to_owned(),
        password_file: file("password", "correct horse battery"),
        token_file: Some(file("token", TOKEN)),
    };
    let folder = |name: &str| {
        fs::create_dir(world.path(name)).unwrap();
        world.path(name).display().to_string()
    };
    let (data, cabinet, shelf) = (folder("data"), folder("cabinet"), folder("shelf"));
    file("cabinet/tools.drawer", "hammer\nsaw\n");
    let runtime = Runtime::new().unwrap();
    let (listen, clock) = ("127.0.0.1:0".parse().unwrap(), Clock::new(Timestamp::now));
    let server = runtime.block_on(made_up::serve(data.as_ref(), listen, clock, Some(administrator))).unwrap();
    let url = format!("http://{}", server.address());
    let remote = |arguments: &[&str]| {
        let mut command = world.command(arguments);
        Ran::of(command.env("DBACKUP_URL", &url).env("DBACKUP_TOKEN", TOKEN).env("CABINET_PIN", "1234-5678"))
    };

    let help = remote(&["sources", "create", "made-up-source", "--help"]).succeeded().stdout;
    for part in ["A cabinet that only tests know", "--place", "--level", "--pin <env:NAME", "It opens the cabinet"] {
        assert!(help.contains(part), "'{part}' is missing in {help}");
    }
    assert!(remote(&["sources", "create"]).ended_with(2).stderr.contains("made-up-source"));
    let create = ["sources", "create", "made-up-source", "--name", "Cabinet", "--place", &cabinet];
    let refused = remote(&[&create[..], &["--pin", "env:CABINET_PIN", "--level", "9"]].concat());
    assert!(refused.code != Some(0) && refused.stderr.contains("level"), "{}", refused.stderr);
    remote(&[&create[..], &["--pin", "env:CABINET_PIN", "--level", "2"]].concat()).succeeded();
    remote(&["destinations", "create", "made-up-destination", "--name", "Shelf", "--shelf", &shelf]).succeeded();
    let id = |kind: &str, name: &str| {
        let shown: Value = serde_json::from_str(&remote(&[kind, "show", name]).succeeded().stdout).unwrap();
        shown["id"].clone()
    };
    let (source, destination) = (id("sources", "Cabinet"), id("destinations", "Shelf"));
    let job = json!({"name": "made", "sourceId": source, "destinationIds": [destination], "acknowledgedWarnings": ["content-not-checked"]});
    let job = file("job.json", &job.to_string()).display().to_string();
    remote(&["jobs", "create", "--file", &job]).succeeded();
    remote(&["jobs", "run", "made", "--follow"]).succeeded();
    runtime.block_on(server.stop());
}
