//! What the status of a Dropbox destination says, what changes it, and which account it is.

use dropbox_emulator::{Fault, FaultKind};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::world::{Browser, World, id};

fn status(destination: &Value) -> (&str, &str) {
    let authorization = &destination["authorization"];
    (authorization["status"].as_str().unwrap(), authorization["reason"].as_str().unwrap_or_default())
}

async fn show(browser: &Browser, destination: &str) -> Value {
    browser.get(&format!("/api/destinations/{destination}")).await.expect(200)
}

async fn check(browser: &Browser, destination: &str) -> Value {
    browser.post(&format!("/api/destinations/{destination}/check"), &json!({})).await.expect(200)
}

async fn authorize_again(world: &World, browser: &Browser, destination: &str) -> String {
    let begun = browser.begin_authorization(destination).await;
    let back = world.consent(begun["url"].as_str().unwrap(), "allow").await;
    let answer = browser.get(&back).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    answer.headers["location"].to_str().unwrap().to_owned()
}

/// The refresh tokens that are good, but for the one that the emulator has from its start.
fn grants(world: &World) -> Vec<String> {
    let standard = dropbox_emulator::Config::default().refresh_token;
    world.dropbox().refresh_tokens().into_iter().filter(|token| *token != standard).collect()
}

/// Lets the server believe that another account was authorized before.
pub(crate) fn pretend_other_account(world: &World, destination: &str) {
    let database = rusqlite::Connection::open(world.path("data").join("dbackup.db")).unwrap();
    let sql = "UPDATE destinations SET authorization_state = json_set(authorization_state, \
               '$.accountId', 'dbid:other', '$.email', 'before@example.com') WHERE id = ?1";
    assert_eq!(database.execute(sql, [destination]).unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_is_no_lost_grant() {
    // M-06
    let world = World::new().await;
    let anna = world.administrator().await;
    let destination = world.dropbox_destination(&anna, "Offsite").await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let job = anna.job("shop", &source, &[&destination], json!({})).await;
    world.dropbox().inject(Fault::next("files/list_folder", FaultKind::AccessTokenExpired).times(2));
    assert_eq!(world.run_job(&anna, &job).await["state"], "failed");
    assert_eq!(status(&show(&anna, &destination).await), ("authorized", ""));
    assert_eq!(world.run_job(&anna, &job).await["state"], "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_refusal_bars_nothing_and_each_use_can_clear_it() {
    // M-08
    let world = World::new().await;
    let anna = world.administrator().await;
    let destination = world.dropbox_destination(&anna, "Offsite").await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let job = anna.job("shop", &source, &[&destination], json!({})).await;
    let folders = format!("/api/destinations/{destination}/folders");
    for act in ["check", "test", "browse", "list", "run"] {
        let database = rusqlite::Connection::open(world.path("data").join("dbackup.db")).unwrap();
        let sql = "UPDATE destinations SET authorization_state = json_set(authorization_state, '$.broken', 'x')";
        assert_eq!(database.execute(sql, []).unwrap(), 1);
        drop(database);
        assert_eq!(status(&show(&anna, &destination).await).0, "reauthorization_required");
        match act {
            "check" => drop(check(&anna, &destination).await),
            "test" => drop(anna.post(&format!("/api/destinations/{destination}/test"), &json!({})).await),
            "browse" => drop(anna.get(&folders).await.expect(200)),
            "list" => drop(anna.get(&format!("/api/destinations/{destination}/backups")).await.expect(200)),
            _ => assert_eq!(world.run_job(&anna, &job).await["state"], "succeeded"),
        }
        assert_eq!(status(&show(&anna, &destination).await), ("authorized", ""), "{act}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_scope_stops_only_what_needs_it() {
    // M-15
    const ALL: [&str; 5] = dropbox::oauth::SCOPES;
    let world = World::new().await;
    let anna = world.administrator().await;
    let destination = world.dropbox_destination(&anna, "Offsite").await;
    let (path, source) = world.sqlite_source(&anna, "shop", 10).await;
    let job = anna.job("shop", &source, &[&destination], json!({})).await;
    assert_eq!(world.run_job(&anna, &job).await["state"], "succeeded");
    let token = grants(&world).pop().unwrap();
    let without = |lost: &str| {
        let scopes: Vec<&str> = ALL.into_iter().filter(|scope| *scope != lost).collect();
        world.dropbox().set_scopes(&token, &scopes);
    };

    without("files.content.write");
    let run = world.run_job(&anna, &job).await;
    let error = run["error"].as_str().unwrap();
    assert!(error.contains("files.content.write") && error.contains("Re-authorize"), "{error}");
    assert!(!error.contains("log in"), "{error}");
    let shown = show(&anna, &destination).await;
    assert_eq!(status(&shown).0, "reauthorization_required");
    assert!(status(&shown).1.contains("files.content.write"), "{shown}");
    // A look that does not need it does not clear it, and reading goes on.
    assert_eq!(status(&check(&anna, &destination).await).0, "reauthorization_required");
    let listed = anna.get(&format!("/api/destinations/{destination}/backups")).await.expect(200);
    let backup = listed["items"][0]["path"].as_str().unwrap();
    let restore = json!({"destinationId": destination, "path": backup, "sourceId": source,
        "database": path.with_extension("restored").to_str().unwrap()});
    let restored = anna.post("/api/restores", &restore).await.expect(202);
    assert_eq!(anna.finished(&id(&restored)).await["state"], "succeeded");

    world.dropbox().set_scopes(&token, &ALL);
    assert_eq!(status(&check(&anna, &destination).await), ("authorized", ""));

    without("account_info.read");
    let looked = check(&anna, &destination).await;
    assert_eq!(status(&looked).0, "authorized");
    assert!(status(&looked).1.contains("account_info.read"), "{looked}");
    assert_eq!(world.run_job(&anna, &job).await["state"], "succeeded");
    world.dropbox().set_scopes(&token, &ALL);
    assert_eq!(status(&check(&anna, &destination).await), ("authorized", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_dropbox_does_not_know_has_its_own_status() {
    // M-15
    let world = World::new().await;
    let anna = world.administrator().await;
    let destination = world.dropbox_destination(&anna, "Offsite").await;
    let path = format!("/api/destinations/{destination}");
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let job = anna.job("shop", &source, &[&destination], json!({})).await;
    let settings = json!({"type": "dropbox", "folder": "/backups"});
    let save = async |secret: &str| {
        let input = json!({"name": "Offsite", "settings": settings, "appSecret": secret});
        anna.put(&path, &input).await.expect(200);
    };
    save("of another app").await;
    let run = world.run_job(&anna, &job).await;
    assert_eq!(run["state"], "failed");
    let error = run["error"].as_str().unwrap();
    assert!(error.contains("App Secret") && !error.contains("Re-authorize"), "{error}");
    let shown = show(&anna, &destination).await;
    assert_eq!(status(&shown).0, "app_not_recognized");
    assert!(status(&shown).1.contains("App Console"), "{shown}");
    anna.get(&format!("{path}/folders")).await.problem(409, "appNotRecognized", &["App Key"]);
    save(&dropbox_emulator::Config::default().app_secret).await;
    assert_eq!(status(&check(&anna, &destination).await), ("authorized", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn authorizing_again_asks_which_account_and_revokes_the_grant_before() {
    // M-05
    let world = World::new().await;
    let anna = world.administrator().await;
    let destination = world.new_dropbox(&anna, "Offsite").await;
    let first = anna.begin_authorization(&destination).await;
    assert!(!first["url"].as_str().unwrap().contains("force_"), "{first}");
    assert!(authorize_again(&world, &anna, &destination).await.ends_with("?authorization=authorized"));
    let before = grants(&world);
    let again = anna.begin_authorization(&destination).await;
    for parameter in ["force_reapprove=true", "force_reauthentication=true"] {
        assert!(again["url"].as_str().unwrap().contains(parameter), "{again}");
    }
    assert!(authorize_again(&world, &anna, &destination).await.ends_with("?authorization=authorized"));
    let after = grants(&world);
    assert_eq!(after.len(), 1);
    assert_ne!(after, before);
    assert_eq!(status(&check(&anna, &destination).await), ("authorized", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_is_asked_about_before_the_grant_is_replaced() {
    // M-05
    let world = World::new().await;
    let anna = world.administrator().await;
    let destination = world.dropbox_destination(&anna, "Offsite").await;
    let before = grants(&world);
    for accept in [false, true] {
        pretend_other_account(&world, &destination);
        let location = authorize_again(&world, &anna, &destination).await;
        let (page, state) = location.split_once("?authorization=account_changed&state=").unwrap();
        assert!(page.ends_with(&destination));
        let state = state.replace("%2D", "-").replace("%5F", "_");
        assert!(grants(&world).contains(&before[0]));
        let progress =
            anna.get(&format!("/api/destinations/{destination}/authorization?state={state}")).await.expect(200);
        assert_eq!(
            (&progress["status"], &progress["previousAccount"]),
            (&json!("accountChanged"), &json!("before@example.com"))
        );
        assert!(progress["account"].as_str().unwrap().contains('@'));
        let mut other = world.stranger();
        other.sign_in_with("/api/session", &json!({"name": "Anna", "password": crate::world::PASSWORD})).await;
        let input = json!({"state": state, "accept": accept});
        other.post(&format!("/api/destinations/{destination}/authorization/confirm"), &input).await.problem(
            403,
            "forbidden",
            &[],
        );
        let confirmed =
            anna.post(&format!("/api/destinations/{destination}/authorization/confirm"), &input).await.expect(200);
        let is_before = confirmed["authorization"]["account"]["email"] == "before@example.com";
        assert_eq!(is_before, !accept, "{confirmed}");
        let tokens = grants(&world);
        assert_eq!((tokens.len(), tokens == before), (1, !accept));
        anna.post(&format!("/api/destinations/{destination}/authorization/confirm"), &input).await.problem(
            403,
            "forbidden",
            &[],
        );
    }
    // A grant that nobody confirms does not outlive the next authorization.
    pretend_other_account(&world, &destination);
    authorize_again(&world, &anna, &destination).await;
    assert_eq!(grants(&world).len(), 2);
    anna.begin_authorization(&destination).await;
    assert_eq!(grants(&world).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_is_refused_leaves_the_grant_that_waits_for_its_confirmation() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let destination = world.dropbox_destination(&anna, "Offsite").await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let job = anna.job("shop", &source, &[&destination], json!({})).await;
    pretend_other_account(&world, &destination);
    let location = authorize_again(&world, &anna, &destination).await;
    let state = location.split_once("&state=").unwrap().1.replace("%2D", "-").replace("%5F", "_");
    let waiting = grants(&world);
    assert_eq!(waiting.len(), 2);
    let removal = format!("/api/destinations/{destination}?revoke=true");
    anna.delete(&removal).await.problem(409, "inUse", &[]);
    assert_eq!(grants(&world), waiting, "nothing is revoked");
    anna.post(
        &format!("/api/destinations/{destination}/authorization/confirm"),
        &json!({"state": state, "accept": true}),
    )
    .await
    .expect(200);
    assert_eq!(grants(&world).len(), 1);

    // One that is carried out revokes both.
    pretend_other_account(&world, &destination);
    authorize_again(&world, &anna, &destination).await;
    anna.delete(&format!("/api/jobs/{job}")).await.expect(204);
    anna.delete(&removal).await.expect(204);
    assert!(grants(&world).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_becomes_of_an_authorization_ends_on_a_page_and_is_told_to_the_one_that_waits() {
    // M-04, M-15
    let world = World::new().await;
    let anna = world.administrator().await;
    let destination = world.new_dropbox(&anna, "Offsite").await;
    let browser = anna.clone().header("accept", "text/html,application/xhtml+xml");
    let progress = async |begun: &Value| {
        let state = begun["state"].as_str().unwrap();
        anna.get(&format!("/api/destinations/{destination}/authorization?state={state}")).await.expect(200)
    };
    let location = async |browser: &Browser, path: &str| {
        let answer = browser.get(path).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        answer.headers["location"].to_str().unwrap().to_owned()
    };
    let begun = anna.begin_authorization(&destination).await;
    assert_eq!(progress(&begun).await["status"], "waiting");
    // The code is used already: an answer was lost, or the page was loaded twice.
    let back = world.consent(begun["url"].as_str().unwrap(), "allow").await;
    let state = back.split("state=").nth(1).unwrap();
    let failed = location(&browser, &format!("/api/adapters/dropbox/callback?code=used-up&state={state}")).await;
    assert!(failed.contains(&format!("/destinations/{destination}?authorization=failed&state=")), "{failed}");
    let told = progress(&begun).await;
    assert_eq!(told["status"], "failed");
    let reason = told["reason"].as_str().unwrap();
    assert!(reason.contains("lost on the way") && !reason.contains("mistyped"), "{reason}");
    // Again with the same state.
    let replayed = location(&browser, &back).await;
    assert!(replayed.contains(&format!("/destinations/{destination}?authorization=failed")), "{replayed}");
    // Late, denied, unknown, and in a browser that is not signed in.
    let late = anna.begin_authorization(&destination).await;
    let back = world.consent(late["url"].as_str().unwrap(), "allow").await;
    world.advance(SignedDuration::from_mins(10));
    assert!(location(&browser, &back).await.contains("authorization=failed"));
    assert_eq!(progress(&late).await["status"], "expired");
    let denied = anna.begin_authorization(&destination).await;
    let back = world.consent(denied["url"].as_str().unwrap(), "deny").await;
    assert!(location(&browser, &back).await.contains("authorization=failed"));
    assert!(progress(&denied).await["reason"].as_str().unwrap().contains("click Allow"));
    let unknown = location(&browser, "/api/adapters/dropbox/callback?code=x&state=made-up").await;
    assert!(unknown.starts_with("http://localhost:3000/destinations?authorization=failed"), "{unknown}");
    let stranger = world.stranger().header("accept", "text/html");
    assert!(location(&stranger, &back).await.contains("authorization=failed"));
    // The words are the server's own: none of them comes with an address.
    let audit = anna.get("/api/audit?limit=200").await.expect(200).to_string();
    assert!(audit.contains("ten minutes") && audit.contains("sign in to dbackup first"), "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_that_is_not_revoked_is_told() {
    // M-05
    let world = World::new().await;
    let anna = world.administrator().await;
    // In state broken the grant may still live.
    let destination = world.dropbox_destination(&anna, "Offsite").await;
    let path = format!("/api/destinations/{destination}");
    let database = rusqlite::Connection::open(world.path("data").join("dbackup.db")).unwrap();
    let sql = "UPDATE destinations SET authorization_state = json_set(authorization_state, '$.broken', 'x')";
    assert_eq!(database.execute(sql, []).unwrap(), 1);
    drop(database);
    anna.delete(&format!("{path}?revoke=true")).await.expect(204);
    assert_eq!(grants(&world), Vec::<String>::new());
    // The access of another app cannot be revoked with this one.
    for change in [json!({"appKey": "other"}), json!({"appSecret": "other"})] {
        let destination = world.dropbox_destination(&anna, "Offsite").await;
        let path = format!("/api/destinations/{destination}");
        let mut input = json!({"name": "Offsite", "settings": {"type": "dropbox"}});
        input.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        anna.put(&path, &input).await.expect(200);
        let words = &["was removed", "App Key", "Connected apps"];
        anna.delete(&format!("{path}?revoke=true")).await.problem(424, "notRevoked", words);
        anna.get(&path).await.problem(404, "notFound", &[]);
    }
    // Nothing to revoke, or no more.
    let destination = world.new_dropbox(&anna, "Offsite").await;
    anna.delete(&format!("/api/destinations/{destination}?revoke=true")).await.expect(204);
    let destination = world.dropbox_destination(&anna, "Offsite").await;
    world.dropbox().revoke_all();
    anna.delete(&format!("/api/destinations/{destination}?revoke=true")).await.expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_authorization_shows_without_a_run() {
    let mut world = World::new().await;
    let anna = world.administrator().await;
    let destination = world.dropbox_destination(&anna, "Offsite").await;
    let path = format!("/api/destinations/{destination}");
    world.dropbox().revoke_all();
    world.advance(SignedDuration::from_hours(2));
    // The first look is at the start.
    world.stop().await;
    world.start().await;
    let anna = Browser { url: world.url(), ..anna };
    let shown = anna.until(&path, |shown| shown["authorization"]["status"] == "reauthorization_required").await;
    assert!(status(&shown).1.contains("revoked"), "{shown}");
    let overview = anna.get("/api/overview").await.expect(200);
    assert!(overview.to_string().contains("Offsite"), "{overview}");
    let token = anna.token(&["view"]).await;
    let metrics = token.get("/metrics").await.body;
    assert!(
        metrics.lines().any(|line| line.starts_with("dbackup_destination_authorized{") && line.ends_with(" 0")),
        "{metrics}"
    );
}
