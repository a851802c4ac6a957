//! The API is what its description says: schemathesis makes requests of all kinds out of it, and judges the answers.

use std::process::Command;

use serde_json::json;
use test_support::{describe, tools};

use crate::serving::Serving;
use crate::world::World;

const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance";

#[test]
fn thousands_of_generated_requests_find_no_breach_of_the_schema() {
    let world = World::new();
    let mut server = Serving::start(&world, &["--log", "warn"]);
    server.set_up();
    // Something to find.
    let folder = json!({"name": "disk", "settings": {"type": "folder", "path": world.path("tmp")}});
    server.post("/api/destinations", &folder);
    let mut schemathesis = Command::new(tools().join("venv/bin/schemathesis"));
    schemathesis.args(["run", &format!("{}/api/openapi.json", server.url), "--checks", CHECKS, "--seed", "1"]);
    schemathesis.args(["--phases", "examples,coverage,fuzzing", "--max-examples", "15"]);
    // One worker: parsing syntax trees in two threads at once crashes Python before 3.12 (cpython issue 106905).
    schemathesis.args(["--workers", "1"]);
    // It does not end.
    schemathesis.args(["--exclude-path", "/api/events"]);
    schemathesis.args(["--request-timeout", "30", "--warnings", "off", "--no-color"]);
    schemathesis.args(["-H", &format!("Authorization: Bearer {}", server.token.as_ref().unwrap())]);
    let output = schemathesis.current_dir(world.path("cwd")).output().unwrap();
    assert!(output.status.success(), "{}", describe(&output));
    let log = std::fs::read_to_string(world.path("server.log")).unwrap();
    assert!(!log.contains("internal error"), "{log}");
    assert_eq!(server.ask(reqwest::Method::GET, "/readyz", None).0, 200);
}
