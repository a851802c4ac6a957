//! What each role and scope can reach on the machine, in databases and at destinations.

use catalog::{Catalog, KeyFile, KeySource, Location, MasterKey};
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};
use test_support::{PostgresServer, PostgresVersion};

use crate::world::{Browser, World, id, make_database, mark, rows};

fn first_path(run: &Value) -> String {
    run["result"]["databases"][0]["copies"][0]["path"].as_str().unwrap_or_else(|| panic!("{run}")).to_owned()
}

fn folder(name: &str, path: &Path) -> Value {
    json!({"name": name, "settings": {"type": "folder", "path": path}})
}

fn sqlite(name: &str, path: &Path) -> Value {
    json!({"name": name, "settings": {"type": "sqlite", "path": path}})
}

/// Everything that takes the path of a backup.
async fn refused_everywhere(browser: &Browser, destination: &str, other: &str, source: &str, path: &str) {
    let base = format!("/api/destinations/{destination}/backups");
    let query: String = path.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let restore = json!({"destinationId": destination, "path": path, "sourceId": source, "database": "/tmp/never.db"});
    let copy = json!({"destinationId": destination, "path": path, "toDestinationId": other});
    for answer in [
        browser.post("/api/downloads", &json!({"destinationId": destination, "path": path, "raw": true})).await,
        browser.post("/api/downloads", &json!({"destinationId": destination, "path": path})).await,
        browser.post("/api/copies", &copy).await,
        browser.post("/api/restores", &restore).await,
        browser.post("/api/restores/preview", &restore).await,
        browser.get(&format!("{base}/details?path={query}")).await,
        browser.post(&format!("{base}/verify"), &json!({"path": path})).await,
        browser.delete(&format!("{base}?path={query}")).await,
    ] {
        assert!([400, 403, 404, 422, 424].contains(&answer.status), "{path}: {} {}", answer.status, answer.body);
        assert!(!answer.body.contains("root:"), "{path}: {}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_backups_are_reached_at_a_folder_and_no_link_or_fifo_in_their_place() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let (disk, destination) = world.folder_destination(&anna, "Disk").await;
    let (other_disk, other) = world.folder_destination(&anna, "Other").await;
    let job = anna.job("shop", &source, &[&destination], json!({})).await;
    let path = first_path(&world.run_job(&anna, &job).await);
    std::fs::write(disk.join("private-notes.txt"), "root: notes").unwrap();
    symlink("/etc/passwd", disk.join("link")).unwrap();
    symlink("/etc/passwd", disk.join("shop/backup_2026-01-01T00-00-00.db")).unwrap();
    symlink("/etc", disk.join("etc")).unwrap();
    std::fs::create_dir(world.path("outside")).unwrap();
    std::fs::write(world.path("outside/backup_2026-01-01T00-00-00.db"), "root: elsewhere").unwrap();
    symlink(world.path("outside"), disk.join("outside")).unwrap();
    mknodat(CWD, disk.join("shop/backup_2026-01-02T00-00-00.db"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let otto = world.member(&anna, "Otto", "operator").await;
    for attempt in [
        "private-notes.txt",
        "link",
        "etc/passwd",
        "shop",
        "shop/backup_2026-01-01T00-00-00.db",
        "shop/backup_2026-01-02T00-00-00.db",
        "outside/backup_2026-01-01T00-00-00.db",
        "shop/../private-notes.txt",
        "shop/../../data/encryption.key",
        "../outside/backup_2026-01-01T00-00-00.db",
        "/etc/passwd",
        "./shop/backup_2026-01-01T00-00-00.db",
        "shop//backup_2026-01-01T00-00-00.db",
        "shop/backup_2026-01-01T00-00-00.db\u{0}",
        "etc/passwd.meta.json",
        "private-notes.txt.meta.json",
    ] {
        refused_everywhere(&otto, &destination, &other, &source, attempt).await;
        refused_everywhere(&anna, &destination, &other, &source, attempt).await;
    }
    assert!(other_disk.read_dir().unwrap().next().is_none());
    let listed = otto.get(&format!("/api/destinations/{destination}/backups")).await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
    // A backup and its sidecar come.
    for suffix in ["", ".meta.json"] {
        let input = json!({"destinationId": destination, "path": format!("{path}{suffix}"), "raw": true});
        let link = otto.post("/api/downloads", &input).await.expect(201)["url"].as_str().unwrap().to_owned();
        assert_eq!(otto.open(&link).await.status(), 200);
    }
    // What was looked up and is a link by the time it is read.
    let input = json!({"destinationId": destination, "path": path, "raw": true});
    let link = otto.post("/api/downloads", &input).await.expect(201)["url"].as_str().unwrap().to_owned();
    std::fs::remove_file(disk.join(&path)).unwrap();
    symlink("/etc/passwd", disk.join(&path)).unwrap();
    otto.get(&link).await.problem(424, "destinationFailed", &["symbolic link"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_follows_no_link_that_was_planted_since() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let (disk, destination) = world.folder_destination(&anna, "Disk").await;
    let job = anna.job("shop", &source, &[&destination], json!({})).await;
    std::fs::create_dir(world.path("outside")).unwrap();
    symlink(world.path("outside"), disk.join("shop")).unwrap();
    let run = world.run_job(&anna, &job).await;
    assert_eq!(run["state"], "failed", "{run}");
    assert!(run["error"].as_str().unwrap().contains("symbolic link"), "{run}");
    // The destination itself, after an administrator saved it.
    std::fs::rename(&disk, world.path("moved")).unwrap();
    symlink(world.path("outside"), &disk).unwrap();
    let run = world.run_job(&anna, &job).await;
    assert_eq!(run["state"], "failed", "{run}");
    assert!(run["error"].as_str().unwrap().contains("since it was saved"), "{run}");
    assert!(world.path("outside").read_dir().unwrap().next().is_none());
    // Saving it again approves it.
    anna.put(&format!("/api/destinations/{destination}"), &folder("Disk", &disk)).await.expect(200);
    assert_eq!(world.run_job(&anna, &job).await["state"], "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_data_folder_is_neither_source_nor_destination_nor_target_for_anybody() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let (_, destination) = world.folder_destination(&anna, "Disk").await;
    let job = anna.job("shop", &source, &[&destination], json!({})).await;
    let path = first_path(&world.run_job(&anna, &job).await);
    let data = world.path("data");
    symlink(&data, world.path("link")).unwrap();
    symlink(data.join("dbackup.db"), world.path("link.db")).unwrap();
    std::fs::hard_link(data.join("dbackup.db"), world.path("hard.db")).unwrap();
    for place in [data.clone(), data.join("new"), world.folder.path().to_owned(), "/".into(), world.path("link")] {
        let refused = anna.post("/api/destinations", &folder("x", &place)).await;
        refused.problem(422, "invalid", &["server's own data"]);
    }
    for file in [data.join("dbackup.db"), world.path("link.db"), world.path("link/dbackup.db"), world.path("hard.db")] {
        anna.post("/api/sources", &sqlite("x", &file)).await.problem(422, "invalid", &["server's own data"]);
        let restore = json!({"destinationId": destination, "path": path, "sourceId": source, "database": file, "overwrite": true});
        for path in ["/api/restores", "/api/restores/preview"] {
            anna.post(path, &restore).await.problem(403, "forbidden", &["server's own data"]);
        }
    }
    for new in [data.join("new.db"), world.path("link/new.db"), data.join("dbackup.db-wal")] {
        let restore = json!({"destinationId": destination, "path": path, "sourceId": source, "database": new});
        anna.post("/api/restores", &restore).await.problem(403, "forbidden", &[]);
    }
    assert_eq!(anna.get("/readyz").await.status, 200);
    assert!(!data.join("new.db").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_of_the_machine_need_administer_or_a_folder_that_its_operator_allowed() {
    let mut world = World::new().await;
    let anna = world.administrator().await;
    std::fs::create_dir_all(world.path("allowed/in")).unwrap();
    std::fs::create_dir(world.path("elsewhere")).unwrap();
    let (existing, source) = world.sqlite_source(&anna, "existing", 10).await;
    let (_, destination) = world.folder_destination(&anna, "Existing").await;
    world.stop().await;
    world.allowed_paths = vec![world.path("allowed")];
    world.start().await;
    let anna = Browser { url: world.url(), ..anna };
    let program = anna.token(&["view", "operate", "configure"]).await;
    symlink(world.path("elsewhere"), world.path("allowed/link")).unwrap();
    for outside in ["elsewhere", "allowed/link", "allowed/new/../../elsewhere"] {
        let answer = program.post("/api/destinations", &folder("x", &world.path(outside))).await;
        assert!(matches!(answer.status, 403 | 422), "{outside}: {}", answer.body);
        let file = world.path(outside).join("x.db");
        let answer = program.post("/api/sources", &sqlite("x", &file)).await;
        assert!(matches!(answer.status, 403 | 422), "{outside}: {}", answer.body);
    }
    let refused = program.post("/api/destinations", &folder("x", &world.path("elsewhere"))).await;
    refused.problem(403, "forbidden", &["administer", "--allow-path"]);
    // Saved by an administrator: another name is no matter, another path is.
    let base = format!("/api/destinations/{destination}");
    program.put(&base, &folder("Renamed", &world.path("Existing"))).await.expect(200);
    program.put(&base, &folder("Renamed", &world.path("elsewhere"))).await.problem(403, "forbidden", &[]);
    program.put(&format!("/api/sources/{source}"), &sqlite("renamed", &existing)).await.expect(200);
    // The folder browser ends where the rights do.
    let folders = program.get(&format!("{base}/folders")).await.expect(200);
    assert_eq!(folders["items"].as_array().unwrap().len(), 1, "{folders}");
    program.get(&format!("{base}/folders?path=/etc")).await.problem(403, "forbidden", &[]);
    program.post(&format!("{base}/folders"), &json!({"path": world.path("elsewhere/x")})).await.problem(
        403,
        "forbidden",
        &[],
    );
    program.post(&format!("{base}/folders"), &json!({"path": world.path("allowed/in/x")})).await.expect(201);
    anna.get(&format!("{base}/folders?path=/etc")).await.expect(200);
    // Below it, all works; a link that is put there later does not lead out.
    let made = id(&program.post("/api/destinations", &folder("in", &world.path("allowed/in"))).await.expect(201));
    let job = program.job("existing", &source, &[&made], json!({})).await;
    assert_eq!(world.run_job(&program, &job).await["state"], "succeeded");
    std::fs::rename(world.path("allowed/in"), world.path("allowed/was")).unwrap();
    symlink(world.path("elsewhere"), world.path("allowed/in")).unwrap();
    let run = world.run_job(&program, &job).await;
    assert_eq!(run["state"], "failed", "{run}");
    assert!(world.path("elsewhere").read_dir().unwrap().next().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_restore_files_only_where_an_administrator_allows_it() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (database, source) = world.sqlite_source(&anna, "shop", 10).await;
    let (_, destination) = world.folder_destination(&anna, "Disk").await;
    let job = anna.job("shop", &source, &[&destination], json!({})).await;
    let path = first_path(&world.run_job(&anna, &job).await);
    let other = world.path("other.db");
    make_database(&other, 3);
    symlink(&other, world.path("link.db")).unwrap();
    let otto = world.member(&anna, "Otto", "operator").await;
    let restore = |database: &Path| json!({"destinationId": destination, "path": path, "sourceId": source, "database": database, "overwrite": true});
    let refuse = async |database: &Path, word: &str| {
        for route in ["/api/restores", "/api/restores/preview"] {
            otto.post(route, &restore(database)).await.problem(403, "forbidden", &[word]);
        }
    };
    refuse(&world.path("new.db"), "not marked").await;
    refuse(&database, "not marked").await;
    mark(&anna, &source, "newDatabases").await;
    refuse(&database, "only new databases").await;
    refuse(&other, "not this source's").await;
    refuse(&world.path("link.db"), "not this source's").await;
    for companion in ["shop.db-wal", "shop.db-journal", "new.db-shm"] {
        refuse(&world.path(companion), "SQLite").await;
    }
    let begun = otto.post("/api/restores", &restore(&world.path("new.db"))).await.expect(202);
    assert_eq!(otto.finished(&id(&begun)).await["state"], "succeeded");
    mark(&anna, &source, "ownDatabases").await;
    refuse(&other, "not this source's").await;
    let begun = otto.post("/api/restores", &restore(&database)).await.expect(202);
    assert_eq!(otto.finished(&id(&begun)).await["state"], "succeeded");
    assert_eq!(rows(&other).len(), 3);
    // Without a job of the source nothing of it is replaced.
    anna.delete(&format!("/api/jobs/{job}")).await.expect(204);
    refuse(&database, "no job").await;
    // Only administrators mark, and move what is marked.
    let program = anna.token(&["view", "operate", "configure"]).await;
    let at = format!("/api/sources/{source}");
    let mut input = sqlite("shop", &database);
    program.put(&at, &input).await.expect(200);
    input["restoreTarget"] = json!("newDatabases");
    program.put(&at, &input).await.problem(403, "forbidden", &["administer"]);
    assert_eq!(program.get(&at).await.expect(200)["restoreTarget"], "ownDatabases");
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_restore_databases_only_where_an_administrator_allows_it() {
    let server = tokio::task::spawn_blocking(|| PostgresServer::start(PostgresVersion::Debian)).await.unwrap();
    for name in ["shop", "victim", "empty", "mold"] {
        server.sql("postgres", &format!("CREATE DATABASE {name}"));
    }
    server.sql("postgres", "ALTER DATABASE mold IS_TEMPLATE true");
    server.sql("shop", "CREATE TABLE t AS SELECT 1 AS n");
    server.sql("victim", "CREATE TABLE v AS SELECT 1 AS n");
    let world = World::new().await;
    let anna = world.administrator().await;
    let settings = json!({"type": "postgres", "host": "127.0.0.1", "port": server.port(), "user": "postgres"});
    let source = id(&anna.post("/api/sources", &json!({"name": "pg", "settings": settings})).await.expect(201));
    let (_, destination) = world.folder_destination(&anna, "Disk").await;
    let job = anna.job("pg", &source, &[&destination], json!({"databases": ["shop"]})).await;
    let path = first_path(&world.run_job(&anna, &job).await);
    let otto = world.member(&anna, "Otto", "operator").await;
    let restore = |database: &str| json!({"destinationId": destination, "path": path, "sourceId": source, "database": database, "overwrite": true});
    let refuse = async |database: &str, word: &str| {
        otto.post("/api/restores", &restore(database)).await.problem(403, "forbidden", &[word]);
        otto.post("/api/restores/preview", &restore(database)).await.problem(403, "forbidden", &[word]);
        let place = json!({"sourceId": source, "database": database, "kept": "shop__dbackup_restored_0a1b2c3d"});
        otto.post("/api/restores/put-in-place", &place).await.problem(403, "forbidden", &[]);
    };
    refuse("fresh", "not marked").await;
    refuse("shop", "not marked").await;
    mark(&anna, &source, "newDatabases").await;
    for existing in ["shop", "victim", "empty"] {
        refuse(existing, "only new databases").await;
    }
    for reserved in ["template0", "template1", "postgres", "mold"] {
        refuse(reserved, "belongs to the server").await;
    }
    refuse("x__dbackup_restored_0a1b2c3d", "belongs to the server").await;
    refuse(&"x".repeat(64), "63 bytes").await;
    let begun = otto.post("/api/restores", &restore("fresh")).await.expect(202);
    assert_eq!(otto.finished(&id(&begun)).await["state"], "succeeded");
    mark(&anna, &source, "ownDatabases").await;
    for foreign in ["victim", "empty", "fresh"] {
        refuse(foreign, "no job").await;
    }
    refuse("template1", "belongs to the server").await;
    let begun = otto.post("/api/restores", &restore("shop")).await.expect(202);
    assert_eq!(otto.finished(&id(&begun)).await["state"], "succeeded");
    assert_eq!(server.sql("victim", "SELECT count(*) FROM v").trim(), "1");
    // Administrators as they like.
    let begun = anna.post("/api/restores", &restore("victim")).await.expect(202);
    assert_eq!(anna.finished(&id(&begun)).await["state"], "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_administer_a_source_uses_no_service_and_no_certificate_of_the_machine() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let program = anna.token(&["view", "configure"]).await;
    let authority = world.path("authority.crt");
    std::fs::write(&authority, "-").unwrap();
    let input = |name: &str, more: (&str, Value)| {
        let mut settings = json!({"type": "postgres", "host": "db", "user": "u"});
        settings[more.0] = more.1;
        json!({"name": name, "settings": settings})
    };
    let (service, certificate) = (("service", json!("shop")), ("sslRootCert", json!(authority)));
    for (more, words) in [(service.clone(), "pg_service.conf"), (certificate.clone(), "--allow-path")] {
        program.post("/api/sources", &input("mine", more.clone())).await.problem(
            403,
            "forbidden",
            &["administer", words],
        );
    }
    program.post("/api/sources", &input("system", ("sslRootCert", json!("system")))).await.expect(201);
    let plain = id(&program.post("/api/sources", &input("plain", ("port", json!(1)))).await.expect(201));
    for more in [service, certificate] {
        let at = format!("/api/sources/{plain}");
        program.put(&at, &input("plain", more.clone())).await.problem(403, "forbidden", &["administer"]);
        // What an administrator has set stays when others change something else; another one is theirs to set.
        anna.put(&at, &input("plain", more.clone())).await.expect(200);
        program.put(&at, &input("plain, renamed", more.clone())).await.expect(200);
        let other = (more.0, json!("/etc/passwd"));
        program.put(&at, &input("plain", other)).await.problem(403, "forbidden", &["administer"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_postgres_database_of_the_server_itself_is_not_restored_over() {
    let server = tokio::task::spawn_blocking(|| PostgresServer::start(PostgresVersion::Debian)).await.unwrap();
    server.sql("postgres", "CREATE DATABASE meta");
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE t AS SELECT 1 AS n");
    let world = World::on_database(&server, "meta").await;
    let anna = world.administrator().await;
    let (_, destination) = world.folder_destination(&anna, "Disk").await;
    for host in ["127.0.0.1", "localhost"] {
        let settings = json!({"type": "postgres", "host": host, "port": server.port(), "user": "postgres"});
        let source = id(&anna.post("/api/sources", &json!({"name": host, "settings": settings})).await.expect(201));
        let job = anna.job(host, &source, &[&destination], json!({"databases": ["shop"]})).await;
        let path = first_path(&world.run_job(&anna, &job).await);
        let restore = json!({"destinationId": destination, "path": path, "sourceId": source, "database": "meta", "overwrite": true});
        for route in ["/api/restores", "/api/restores/preview"] {
            anna.post(route, &restore).await.problem(403, "forbidden", &["server's own data"]);
        }
        let place = json!({"sourceId": source, "database": "meta", "kept": "meta__dbackup_restored_0a1b2c3d"});
        anna.post("/api/restores/put-in-place", &place).await.problem(403, "forbidden", &["server's own data"]);
    }
    assert_eq!(anna.get("/readyz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_own_postgres_database_is_recognized_by_what_it_holds_and_can_be_backed_up() {
    let server = tokio::task::spawn_blocking(|| PostgresServer::start(PostgresVersion::Debian)).await.unwrap();
    server.sql("postgres", "CREATE DATABASE meta");
    // The server knows its database by another port, as through a pooler.
    let (address, _cut) = crate::outages::way_to(([127, 0, 0, 1], server.port()).into()).await;
    let world = World::on_database_at(&server, "meta", &format!("postgres://postgres@{address}/meta")).await;
    let anna = world.administrator().await;
    let (_, destination) = world.folder_destination(&anna, "Disk").await;
    let settings = json!({"type": "postgres", "host": "127.0.0.1", "port": server.port(), "user": "postgres"});
    let source = id(&anna.post("/api/sources", &json!({"name": "all", "settings": settings})).await.expect(201));
    let job = anna.job("meta", &source, &[&destination], json!({"databases": ["meta"]})).await;
    let path = first_path(&world.run_job(&anna, &job).await);
    let into = |database: &str| json!({"destinationId": destination, "path": path, "sourceId": source, "database": database, "overwrite": true});
    for route in ["/api/restores", "/api/restores/preview"] {
        anna.post(route, &into("meta")).await.problem(403, "forbidden", &["own metadata", "another database name"]);
    }
    let place = json!({"sourceId": source, "database": "meta", "kept": "meta__dbackup_restored_0a1b2c3d"});
    anna.post("/api/restores/put-in-place", &place).await.problem(403, "forbidden", &["own metadata"]);
    // Another one that only looks like it, and a new one, are no obstacles.
    server.sql("postgres", "CREATE DATABASE other");
    server.sql(
        "other",
        "CREATE TABLE meta (name text, value text); CREATE TABLE runs (); CREATE TABLE jobs (); CREATE TABLE \
        destinations (); CREATE TABLE api_tokens (); INSERT INTO meta VALUES ('installationId', 'another')",
    );
    for database in ["other", "fresh"] {
        anna.post("/api/restores/preview", &into(database)).await.expect(200);
    }
    assert_eq!(anna.get("/readyz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_a_word_or_a_name_is_told_by_no_gap() {
    let server = tokio::task::spawn_blocking(|| PostgresServer::start(PostgresVersion::Debian)).await.unwrap();
    server.sql("postgres", "CREATE DATABASE \"webshop-2\"");
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, destination) = world.folder_destination(&anna, "Disk").await;
    let vera = world.member(&anna, "Vera", "viewer").await;
    for password in ["backup", "webshop-2", "nightly", "pg"] {
        let settings = json!({"type": "postgres", "host": "127.0.0.1", "port": server.port(), "user": "postgres", "database": "webshop-2"});
        let input = json!({"name": format!("of {password}"), "settings": settings, "password": password});
        let source = id(&anna.post("/api/sources", &input).await.expect(201));
        let job = anna.job(&format!("nightly {password}"), &source, &[&destination], json!({})).await;
        let run = world.run_job(&anna, &job).await;
        let path = first_path(&run);
        assert!(path.starts_with(&format!("nightly {password}/backup_")) && path.contains("webshop-2"), "{path}");
        let shown = vera.get(&format!("/api/runs/{}", id(&run))).await.body + &vera.log_of(&id(&run)).await;
        assert!(!shown.contains("[secret]"), "{shown}");
        let query = path.replace(' ', "%20");
        vera.get(&format!("/api/destinations/{destination}/backups/details?path={query}")).await.expect(200);
    }
}

fn codes(preview: &Value) -> Vec<&str> {
    preview["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_planted_at_a_destination_is_said_before_the_restore_and_never_called_checked() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (database, source) = world.sqlite_source(&anna, "shop", 50).await;
    let (disk, destination) = world.folder_destination(&anna, "Disk").await;
    let profile = anna.post("/api/profiles", &json!({"name": "company"})).await.expect(201);
    let job = anna.job("shop", &source, &[&destination], json!({"profileId": id(&profile)})).await;
    let good = first_path(&world.run_job(&anna, &job).await);
    let restore = |path: &str, allow: bool| {
        json!({"destinationId": destination, "path": path, "sourceId": source, "database": world.path("out.db"),
            "overwrite": true, "allowUnencrypted": allow})
    };
    let preview =
        async |path: &str, allow: bool| anna.post("/api/restores/preview", &restore(path, allow)).await.expect(200);
    let details = async |path: &str| {
        anna.get(&format!("/api/destinations/{destination}/backups/details?path={path}")).await.expect(200)
    };
    let found = preview(&good, false).await;
    assert_eq!((codes(&found).len(), &found["signature"]), (0, &json!("thisServer")), "{found}");
    assert_eq!(details(&good).await["signature"], "thisServer");
    let list = format!("/api/destinations/{destination}/backups");
    assert!(anna.get(&list).await.expect(200)["items"][0]["signature"].is_null());
    let listed = anna.get(&format!("{list}?signatures=true")).await.expect(200);
    assert_eq!(listed["items"][0]["signature"], "thisServer", "{listed}");

    // A plain database, laid beside the encrypted ones.
    let plain = "shop/backup_2026-11-26T00-00-00.db";
    std::fs::copy(&database, disk.join(plain)).unwrap();
    let found = preview(plain, false).await;
    assert_eq!(codes(&found), ["unencrypted", "no-sidecar"]);
    assert_eq!((&found["findings"][0]["severity"], &found["proved"]), (&json!("blocks"), &json!(false)));
    assert_eq!(codes(&details(plain).await), ["unencrypted", "no-sidecar"]);
    anna.post("/api/restores", &restore(plain, false)).await.problem(409, "unencrypted", &["not encrypted"]);
    assert!(!world.path("out.db").exists());
    assert_eq!(preview(plain, true).await["findings"][0]["severity"], "warns");
    let begun = anna.post("/api/restores", &restore(plain, true)).await.expect(202);
    assert_eq!(anna.finished(&id(&begun)).await["state"], "succeeded");
    let log = anna.log_of(&id(&begun)).await;
    assert!(log.contains("Not checked: it has no sidecar") && !log.contains("every checksum"), "{log}");
    // Also where the job is gone: the others in its folder are encrypted.
    anna.delete(&format!("/api/jobs/{job}")).await.expect(204);
    anna.post("/api/restores", &restore(plain, false)).await.problem(409, "unencrypted", &[]);

    // A good pair under another name, or in another job's folder.
    let sidecar: Value =
        serde_json::from_slice(&std::fs::read(disk.join(format!("{good}.meta.json"))).unwrap()).unwrap();
    std::fs::create_dir(disk.join("other")).unwrap();
    for place in [good.replace("12-00-00", "13-00-00"), good.replace("shop/", "other/")] {
        std::fs::copy(disk.join(&good), disk.join(&place)).unwrap();
        std::fs::copy(disk.join(format!("{good}.meta.json")), disk.join(format!("{place}.meta.json"))).unwrap();
        let found = preview(&place, false).await;
        assert_eq!(codes(&found), ["sidecar-contradicts"], "{place}: {found}");
    }
    let lay = |change: &dyn Fn(&mut Value)| {
        let mut changed = sidecar.clone();
        change(&mut changed);
        std::fs::write(disk.join(format!("{good}.meta.json")), changed.to_string()).unwrap();
    };
    for (member, value) in [
        ("jobName", json!("other")),
        ("originalFileName", json!("backup_2020-01-01T00-00-00.db")),
        ("compression", json!("none")),
        ("sourceType", json!("postgres")),
        ("timestamp", json!("2020-01-01T00:00:00Z")),
    ] {
        lay(&|sidecar| sidecar[member] = value.clone());
        let found = preview(&good, false).await;
        assert_eq!(codes(&found), ["sidecar-contradicts", "signature-wrong"], "{member}: {found}");
        assert_eq!(details(&good).await["signature"], "wrong");
    }
    lay(&|sidecar| drop(sidecar.as_object_mut().unwrap().remove("signature")));
    let found = preview(&good, false).await;
    assert_eq!((codes(&found), &found["signature"]), (vec!["unsigned"], &json!("unsigned")));
    let unsigned = |found: &Value| {
        let findings = found["findings"].as_array().unwrap().iter().find(|finding| finding["code"] == "unsigned");
        let finding = findings.unwrap_or_else(|| panic!("{found}"));
        (finding["severity"].as_str().unwrap().to_owned(), finding["message"].as_str().unwrap().to_owned())
    };
    // As much as a wrong signature: removing it must not make a forgery look better. Nor does an old date, or a job without an id.
    assert_eq!(unsigned(&found).0, "warns", "{found}");
    lay(&|sidecar| {
        let sidecar = sidecar.as_object_mut().unwrap();
        sidecar.remove("signature");
        sidecar.remove("jobId");
    });
    let (severity, message) = unsigned(&preview(&good, false).await);
    assert!(severity == "warns" && message.contains("other backups in its folder"), "{message}");
    let again = anna.job("shop", &source, &[&destination], json!({})).await;
    let (severity, message) = unsigned(&preview(&good, false).await);
    assert!(severity == "warns" && message.contains("a job of this server"), "{message}");
    anna.delete(&format!("/api/jobs/{again}")).await.expect(204);
    // In a folder of no job: by what its sidecar says, or by its neighbours.
    let foreign = good.replace("shop/", "foreign/");
    std::fs::create_dir(disk.join("foreign")).unwrap();
    std::fs::copy(disk.join(&good), disk.join(&foreign)).unwrap();
    let lay_foreign = |has_job_id: bool| {
        let mut changed = sidecar.clone();
        let members = changed.as_object_mut().unwrap();
        members.remove("signature");
        members.insert("jobName".to_owned(), json!("foreign"));
        if !has_job_id {
            members.remove("jobId");
        }
        std::fs::write(disk.join(format!("{foreign}.meta.json")), changed.to_string()).unwrap();
    };
    lay_foreign(true);
    assert_eq!(unsigned(&preview(&foreign, false).await).0, "warns");
    lay_foreign(false);
    assert_eq!(unsigned(&preview(&foreign, false).await).0, "informs", "as the command line makes it");
    let neighbour = foreign.replace("12-00-00", "11-00-00");
    std::fs::copy(disk.join(&good), disk.join(&neighbour)).unwrap();
    std::fs::write(disk.join(format!("{neighbour}.meta.json")), sidecar.to_string()).unwrap();
    let (severity, message) = unsigned(&preview(&foreign, false).await);
    assert!(severity == "warns" && message.contains("other backups in its folder"), "{message}");
    lay(&|sidecar| sidecar["size"]["stored"] = json!(1));
    anna.post("/api/restores/preview", &restore(&good, false)).await.problem(409, "altered", &["size"]);
    std::fs::write(disk.join(format!("{good}.meta.json")), "{").unwrap();
    assert_eq!(codes(&preview(&good, false).await), ["unreadable-sidecar"]);
    // Its own owner may set the lock.
    lay(&|sidecar| sidecar["locked"] = json!(true));
    assert_eq!(preview(&good, false).await["signature"], "thisServer");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signing_key_stays_the_installations_and_a_copy_keeps_its_signature() {
    let mut world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 50).await;
    let (_, disk) = world.folder_destination(&anna, "Disk").await;
    let dropbox = world.dropbox_destination(&anna, "Offsite").await;
    let job = anna.job("shop", &source, &[&disk], json!({})).await;
    let path = first_path(&world.run_job(&anna, &job).await);
    let key = anna.get("/api/system").await.expect(200)["signingKey"].as_str().unwrap().to_owned();
    assert!(key.starts_with("ed25519:") && key.len() == 72, "{key}");
    let copy = json!({"destinationId": disk, "path": path, "toDestinationId": dropbox});
    let begun = anna.post("/api/copies", &copy).await.expect(202);
    assert_eq!(anna.finished(&id(&begun)).await["state"], "succeeded");
    world.stop().await;
    // As `dbackup key rotate` changes the encryption key.
    let (location, file) = (Location::Sqlite(world.path("data/dbackup.db")), KeyFile::new(&world.path("data")));
    let catalog = Catalog::open(&location, &KeySource::File(file.clone())).await.unwrap();
    let next = MasterKey::generate().unwrap();
    file.create_next(&next).unwrap();
    catalog.rotate_key(&next).await.unwrap();
    catalog.close().await.unwrap();
    world.start().await;
    let anna = Browser { url: world.url(), ..anna };
    assert_eq!(anna.get("/api/system").await.expect(200)["signingKey"], key.as_str());
    for destination in [&disk, &dropbox] {
        let details = format!("/api/destinations/{destination}/backups/details?path={path}");
        let shown = anna.get(&details).await.expect(200);
        assert_eq!((&shown["signature"], &shown["sidecar"]["signature"]["key"]), (&json!("thisServer"), &json!(key)));
    }
    // Dropbox's own hash was added, and signed.
    let restore = json!({"destinationId": dropbox, "path": path, "sourceId": source, "database": world.path("x.db")});
    assert_eq!(anna.post("/api/restores/preview", &restore).await.expect(200)["proved"], true);
    // What another server has signed is another one's.
    let other = World::new().await;
    let berta = other.administrator().await;
    let (_, source) = other.sqlite_source(&berta, "shop", 5).await;
    let input = json!({"name": "theirs", "settings": {"type": "folder", "path": world.path("Disk")}});
    let theirs = id(&berta.post("/api/destinations", &input).await.expect(201));
    let restore = json!({"destinationId": theirs, "path": path, "sourceId": source, "database": other.path("x.db")});
    let found = berta.post("/api/restores/preview", &restore).await.expect(200);
    assert_eq!((codes(&found), &found["signature"]), (vec!["signed-elsewhere"], &json!("otherInstallation")));
}
