//! Sources whose settings lie on the server's machine.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{PostgresServer, PostgresVersion, wait_until};

use crate::serving::{Serving, command};
use crate::world::World;

fn backed_up(server: &Serving, world: &World, name: &str, settings: &Value) -> Value {
    let source = server.post("/api/sources", &json!({"name": name, "settings": settings}));
    let folder = world.path("disk");
    fs::create_dir_all(&folder).unwrap();
    let disk = server.post("/api/destinations", &json!({"name": name, "settings": {"type": "folder", "path": folder}}));
    let job = json!({"name": name, "sourceId": source["id"], "destinationIds": [disk["id"]]});
    let job = server.post("/api/jobs", &job)["id"].as_str().unwrap().to_owned();
    let run = server.post(&format!("/api/jobs/{job}/run"), &json!({}))["id"].as_str().unwrap().to_owned();
    let at = format!("/api/runs/{run}");
    wait_until("the run has ended", || !server.get(&at)["finishedAt"].is_null());
    server.get(&at)
}

#[test]
fn a_service_and_the_authoritys_certificate_on_the_servers_machine_are_used() {
    let postgres = PostgresServer::start(PostgresVersion::Debian);
    let authority = postgres.offer_tls();
    postgres.sql("postgres", "CREATE DATABASE shop");
    postgres.sql("shop", "CREATE TABLE item AS SELECT 1 AS id");
    postgres.sql("postgres", "CREATE ROLE reader LOGIN SUPERUSER PASSWORD 'of the service'");
    let world = World::new();
    let services = world.path("services.conf");
    let port = postgres.port();
    let text = format!("[shop]\nhost=127.0.0.1\nport={port}\nuser=reader\npassword=of the service\ndbname=shop\n");
    fs::write(&services, text).unwrap();
    fs::set_permissions(&services, fs::Permissions::from_mode(0o600)).unwrap();
    let mut server = Serving::start_command(command(&world, &[]).env("PGSERVICEFILE", &services));
    server.set_up();

    let run =
        backed_up(&server, &world, "by service", &json!({"type": "postgres", "service": "shop", "database": "shop"}));
    assert_eq!(run["state"], "succeeded", "{run}");

    let local = world.path("authority.crt");
    fs::copy(&authority, &local).unwrap();
    let checked = |authority: &Value| {
        json!({"type": "postgres", "host": "localhost", "port": port, "user": "postgres", "database": "shop",
            "sslMode": "verify-full", "sslRootCert": authority})
    };
    let run = backed_up(&server, &world, "known authority", &checked(&json!(local)));
    assert_eq!(run["state"], "succeeded", "{run}");

    let other = world.path("other.crt");
    let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(&other, pair.cert.pem()).unwrap();
    let run = backed_up(&server, &world, "other authority", &checked(&json!(other)));
    assert_eq!(run["state"], "failed", "{run}");
    assert!(run["error"].as_str().unwrap().contains("certificate"), "{run}");

    for (settings, field) in [
        (json!({"type": "postgres", "user": "x"}), "settings.host"),
        (json!({"type": "postgres", "host": "h"}), "settings.user"),
        (json!({"type": "postgres", "service": " "}), "settings.service"),
        (checked(&json!("ca.crt")), "settings.sslRootCert"),
        (checked(&json!("/nowhere/../ca.crt")), "settings.sslRootCert"),
        (checked(&json!(world.path("data/encryption.key"))), "settings.sslRootCert"),
    ] {
        let input = json!({"name": "wrong", "settings": settings});
        let (status, problem) = server.ask(Method::POST, "/api/sources", Some(&input));
        assert_eq!(status, 422, "{problem}");
        assert!(problem["errors"].to_string().contains(field), "{field}: {problem}");
    }
}
