//! Every route declares what it needs, and nobody gets in with less.

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::World;

/// Method, path with a made-up id, what it needs.
fn operations(api: &Value) -> Vec<(Method, String, String)> {
    let paths = api["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        let path = path.replace("{id}", "none").replace("{token}", "none");
        item.as_object().unwrap().iter().map(move |(method, operation)| {
            let needs = operation["x-permission"].as_str();
            let needs = needs.unwrap_or_else(|| panic!("{method} {path} does not declare a permission")).to_owned();
            (method.to_uppercase().parse().unwrap(), path.clone(), needs)
        })
    });
    operations.collect()
}

// S-10
#[tokio::test]
async fn every_route_declares_a_permission_and_keeps_to_it() {
    let world = World::new().await;
    let administrator = world.administrator().await;
    let api = world.stranger().get("/api/openapi.json").await.expect(200);
    let operations = operations(&api);
    assert!(operations.len() > 50, "{}", operations.len());
    let viewer = world.member(&administrator, "Vera", "viewer").await;
    let operator = world.member(&administrator, "Otto", "operator").await;
    let narrow = administrator.token(&["view"]).await;
    let ranks = ["view", "operate", "configure", "administer"];
    for (method, path, needs) in &operations {
        let ask =
            async |browser: &crate::world::Browser| browser.send(method.clone(), path, Some(&json!({}))).await.status;
        if needs == "public" {
            continue;
        }
        assert_eq!(ask(&world.stranger()).await, 401, "{method} {path} lets strangers in");
        // It does not end by itself; it is one of those that need what the others need.
        if path == "/api/events" {
            assert_eq!(needs, "view");
            continue;
        }
        if needs == "ownAccount" {
            assert_eq!(ask(&narrow).await, 403, "{method} {path} lets a narrow token at its owner's credentials");
            continue;
        }
        // Signing out would end the test.
        let Some(needed) = ranks.iter().position(|rank| rank == needs) else { continue };
        for (who, browser, has) in [("viewer", &viewer, 0), ("operator", &operator, 1), ("token", &narrow, 0)] {
            let refused = ask(browser).await == 403;
            assert_eq!(refused, needed > has, "{method} {path} needs {needs}, asked by {who}");
        }
    }
}

/// No operation without a bound on its body, its time, and how many of its kind run at once.
#[tokio::test]
async fn every_route_declares_its_limits_and_keeps_to_that_of_its_body() {
    let world = World::new().await;
    let administrator = world.administrator().await;
    let api = world.stranger().get("/api/openapi.json").await.expect(200);
    let paths = api["paths"].as_object().unwrap();
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            let limits = &operation["x-limits"];
            let number = |name: &str| {
                limits[name].as_u64().unwrap_or_else(|| panic!("{method} {path} does not declare {name}: {limits}"))
            };
            assert!((1..=256).contains(&number("atOnce")) && number("perUser") <= number("atOnce"), "{method} {path}");
            assert!((1..=3600).contains(&number("seconds")), "{method} {path}");
            let body = number("body");
            assert!(operation.get("requestBody").is_none() || body > 0, "{method} {path} takes no body");
            if operation.get("requestBody").is_some() {
                let path = path.replace("{id}", "none");
                let large = json!({"x": "y".repeat(usize::try_from(body).unwrap())});
                let answer = administrator.send(method.to_uppercase().parse().unwrap(), &path, Some(&large)).await;
                assert!(matches!(answer.status, 413 | 404), "{method} {path}: {} {}", answer.status, answer.body);
            }
        }
    }
    let of = |path: &str, method: &str| &api["paths"][path][method]["x-limits"];
    for (path, method) in [("/api/session", "post"), ("/api/setup", "post"), ("/api/session/password", "put")] {
        assert_eq!((&of(path, method)["body"], &of(path, method)["class"]), (&json!(4096), &json!("password")));
    }
}

#[tokio::test]
async fn the_description_is_valid_and_its_pages_are_our_own() {
    let world = World::new().await;
    let stranger = world.stranger();
    let api = stranger.get("/api/openapi.json").await.expect(200);
    assert_eq!(api["openapi"], "3.1.0");
    let page = stranger.get("/api/docs/").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("swagger-ui-bundle.js"), "{}", page.body);
    for file in ["index.html", "swagger-initializer.js", "swagger-ui.css", "index.css", "swagger-ui-bundle.js"] {
        let file = stranger.get(&format!("/api/docs/{file}")).await;
        assert_eq!(file.status, 200);
        if !file.headers["content-type"].to_str().unwrap().contains("css") {
            assert!(!file.body.contains("src=\"http"), "something comes from elsewhere");
        }
    }
    for (header, part) in [("content-security-policy", "frame-ancestors 'none'"), ("x-content-type-options", "nosniff")]
    {
        assert!(page.headers[header].to_str().unwrap().contains(part));
    }
}

#[tokio::test]
async fn every_operation_has_a_name_of_its_own() {
    let api = World::new().await.stranger().get("/api/openapi.json").await.expect(200);
    let mut names = std::collections::HashSet::new();
    for operation in api["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values()) {
        let name = operation["operationId"].as_str().unwrap();
        assert!(names.insert(name), "two operations are called {name}");
    }
}

/// Browsers get the UI (or how to get one) at every address that is not the API's; programs get a problem to read.
#[tokio::test]
async fn addresses_outside_of_the_api_are_the_pages() {
    let world = World::new().await;
    let get = async |path: &str, accept: &str| {
        let answer = world.stranger().header("accept", accept).get(path).await;
        (answer.status, answer.headers["content-type"].to_str().unwrap().to_owned())
    };
    for path in ["/", "/destinations/1?authorization=authorized"] {
        assert_eq!(get(path, "text/html,*/*;q=0.8").await, (200, "text/html; charset=utf-8".to_owned()));
    }
    for (path, accept) in
        [("/", "application/json"), ("/api/nothing", "text/html"), ("/assets/../../Cargo.toml", "*/*")]
    {
        assert_eq!(get(path, accept).await, (404, "application/problem+json".to_owned()), "{path}");
    }
}

/// The whole description as it was reviewed. Changed on purpose? Run with UPDATE_SNAPSHOT=1 and review the difference.
#[tokio::test]
async fn the_description_is_the_reviewed_one() {
    let world = World::new().await;
    let api = world.stranger().get("/api/openapi.json").await.body;
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    // By value: the extensions of an operation come in any order.
    let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let reviewed = || parse(&std::fs::read_to_string(&path).unwrap_or_default());
    if std::env::var_os("UPDATE_SNAPSHOT").is_some() && parse(&api) != reviewed() {
        std::fs::write(&path, &api).unwrap();
    }
    assert!(
        parse(&api) == reviewed(),
        "the API differs from crates/server/openapi.json: run with UPDATE_SNAPSHOT=1 and review"
    );
}
