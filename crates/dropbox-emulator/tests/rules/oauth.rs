//! The consent page and the token endpoint, in every way that a client may speak to them.

use std::time::Duration;

use dropbox_emulator::Config;
use serde_json::{Value, json};

use crate::api::{Answer, Api, form, read};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const ASK: [(&str, &str); 3] =
    [("client_id", "emulator-app-key"), ("response_type", "code"), ("token_access_type", "offline")];

async fn page(api: &Api, more: &[(&str, &str)]) -> (u16, String) {
    let query = form(&[&ASK, more].concat());
    let response = api.client.get(api.url(&format!("/oauth2/authorize?{query}"))).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// Clicks Allow where there is no redirect, and reads the code from the page.
async fn code(api: &Api, more: &[(&str, &str)]) -> String {
    let pairs = [&ASK, more, &[("decision", "allow")]].concat();
    let response = api.client.post(api.url("/oauth2/authorize")).body(form(&pairs)).send().await.unwrap();
    let page = response.text().await.unwrap();
    page.split("id=\"code\">").nth(1).unwrap().split('<').next().unwrap().to_owned()
}

async fn exchange(api: &Api, code: &str, more: &[(&str, &str)]) -> Answer {
    api.token(&[&[("grant_type", "authorization_code"), ("code", code)], more].concat()).await
}

#[track_caller]
fn refused(answer: &Answer, error: &str, description: &str) {
    assert_eq!(*answer, (400, json!({ "error": error, "error_description": description })));
}

const KEY: (&str, &str) = ("client_id", "emulator-app-key");
const SECRET: (&str, &str) = ("client_secret", "emulator-app-secret");
const UNKNOWN_CODE: &str = "code doesn't exist or has expired";
const BAD_CLIENT: &str = "Invalid client_id or client_secret";

#[tokio::test]
async fn the_consent_page_names_the_app_and_its_scopes_or_what_is_wrong() {
    let api = Api::start(Config::default()).await;
    let (status, html) = page(&api, &[("scope", "account_info.read files.metadata.read"), ("state", "\"<&>")]).await;
    assert_eq!(status, 200);
    for part in
        ["emulator-app-key", "account_info.read", "files.metadata.read", ">Allow<", ">Deny<", "&quot;&lt;&amp;&gt;"]
    {
        assert!(html.contains(part), "{part} is not in {html}");
    }
    assert!(!html.contains("files.content.write"));
    let long = "s".repeat(501);
    for (more, words) in [
        (("redirect_uri", "https://elsewhere.example/cb"), "Invalid redirect_uri"),
        (("redirect_uri", "http://localhost.example/cb"), "Invalid redirect_uri"),
        (("scope", "team_data.member"), "Invalid scope"),
        (("code_challenge", "short"), "Invalid code_challenge"),
        (("state", long.as_str()), "Invalid state"),
    ] {
        let (status, html) = page(&api, &[more]).await;
        assert_eq!(status, 400, "{html}");
        assert!(html.contains(words), "{html}");
    }
    let response =
        api.client.get(api.url("/oauth2/authorize?client_id=other&response_type=code")).send().await.unwrap();
    assert!(response.text().await.unwrap().contains("Invalid client_id"));
}

#[tokio::test]
async fn registered_redirect_uris_are_compared_exactly() {
    let registered = "https://backup.example/api/adapters/dropbox/callback?keep=1";
    let api = Api::start(Config { redirect_uris: vec![registered.to_owned()], ..Config::default() }).await;
    assert_eq!(page(&api, &[("redirect_uri", registered)]).await.0, 200);
    assert_eq!(page(&api, &[("redirect_uri", "http://localhost:3000/")]).await.0, 400);
    assert_eq!(page(&api, &[("redirect_uri", &registered[..registered.len() - 1])]).await.0, 400);
    for (decision, expected) in [
        ("allow", format!("{registered}&code=")),
        ("deny", format!("{registered}&error=access_denied&error_description=")),
    ] {
        let pairs = [&ASK[..], &[("redirect_uri", registered), ("state", "s t"), ("decision", decision)]].concat();
        let response = api.client.post(api.url("/oauth2/authorize")).body(form(&pairs)).send().await.unwrap();
        assert_eq!(response.status(), 302);
        let location = response.headers()["location"].to_str().unwrap();
        assert!(location.starts_with(&expected) && location.ends_with("&state=s+t"), "{location}");
    }
}

#[tokio::test]
async fn a_code_is_bound_to_its_redirect_its_verifier_and_ten_minutes() {
    let api = Api::start(Config::default()).await;
    let pkce = [("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
    let verifier = ("code_verifier", VERIFIER);
    let one = code(&api, &pkce).await;
    let (status, tokens) = exchange(&api, &one, &[KEY, verifier]).await;
    assert_eq!(status, 200, "{tokens}");
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("bearer"), &json!(14_400)));
    assert_eq!(tokens["scope"].as_str().unwrap().split(' ').count(), 5);
    assert!(tokens["refresh_token"].is_string() && tokens["uid"].is_string());
    refused(&exchange(&api, &one, &[KEY, verifier]).await, "invalid_grant", UNKNOWN_CODE);

    let other = "a".repeat(43);
    let two = code(&api, &pkce).await;
    refused(&exchange(&api, &two, &[KEY, ("code_verifier", &other)]).await, "invalid_grant", "invalid code verifier");
    let three = code(&api, &pkce).await;
    refused(&exchange(&api, &three, &[KEY, SECRET]).await, "invalid_grant", "code verifier missing");
    let four = code(&api, &[]).await;
    refused(&exchange(&api, &four, &[KEY]).await, "invalid_client", BAD_CLIENT);
    let five = code(&api, &[]).await;
    let redirect = ("redirect_uri", "http://localhost/");
    refused(&exchange(&api, &five, &[KEY, SECRET, redirect]).await, "invalid_grant", "redirect_uri mismatch");
    let six = code(&api, &pkce).await;
    api.control().advance_clock(Duration::from_secs(600));
    refused(&exchange(&api, &six, &[KEY, verifier]).await, "invalid_grant", UNKNOWN_CODE);
    let plain = code(&api, &[("code_challenge", VERIFIER), ("code_challenge_method", "plain")]).await;
    assert_eq!(exchange(&api, &plain, &[KEY, verifier]).await.0, 200);
}

#[tokio::test]
async fn online_consent_gives_no_refresh_token() {
    let api = Api::start(Config::default()).await;
    let pairs = [("client_id", "emulator-app-key"), ("response_type", "code"), ("decision", "allow")];
    let response = api.client.post(api.url("/oauth2/authorize")).body(form(&pairs)).send().await.unwrap();
    let page = response.text().await.unwrap();
    let code = page.split("id=\"code\">").nth(1).unwrap().split('<').next().unwrap();
    let (status, tokens) = exchange(&api, code, &[KEY, SECRET]).await;
    assert_eq!((status, &tokens["refresh_token"]), (200, &Value::Null));
}

#[tokio::test]
async fn an_app_shows_its_secret_in_the_form_by_basic_or_in_the_url() {
    let api = Api::start(Config::default()).await;
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", "emulator-refresh-token")];
    assert_eq!(api.token(&[&refresh[..], &[KEY]].concat()).await.0, 200);
    assert_eq!(api.token(&[&refresh[..], &[KEY, SECRET]].concat()).await.0, 200);
    let post = |url: String| api.client.post(url).header("content-type", "application/x-www-form-urlencoded");
    let basic = post(api.url("/oauth2/token")).basic_auth(KEY.1, Some(SECRET.1)).body(form(&refresh));
    assert_eq!(read(basic.send().await.unwrap()).await.0, 200);
    let query = form(&[&refresh[..], &[KEY, SECRET]].concat());
    let url = api.client.post(api.url(&format!("/oauth2/token?{query}"))).header("content-type", "application/json");
    assert_eq!(read(url.send().await.unwrap()).await.0, 200);

    let wrong = ("client_secret", "wrong");
    refused(&api.token(&[&refresh[..], &[KEY, wrong]].concat()).await, "invalid_client", BAD_CLIENT);
    let basic = post(api.url("/oauth2/token")).basic_auth(KEY.1, Some("wrong")).body(form(&refresh));
    refused(&read(basic.send().await.unwrap()).await, "invalid_client", BAD_CLIENT);
    refused(&api.token(&[&refresh[..], &[("client_id", "other")]].concat()).await, "invalid_client", BAD_CLIENT);
}

#[tokio::test]
async fn a_refresh_token_is_unknown_malformed_narrowed_or_revoked() {
    let api = Api::start(Config::default()).await;
    let refresh = async |token: &str, more: &[(&str, &str)]| {
        api.token(&[&[("grant_type", "refresh_token"), ("refresh_token", token), KEY], more].concat()).await
    };
    let gone = "refresh token is invalid or revoked";
    refused(&refresh("nonsense", &[]).await, "invalid_grant", gone);
    refused(&refresh("not a token", &[]).await, "invalid_grant", "refresh token is malformed");
    let pasted = code(&api, &[]).await;
    refused(&refresh(&pasted, &[]).await, "invalid_grant", "refresh token is malformed");
    let (_, narrow) = refresh("emulator-refresh-token", &[("scope", "account_info.read")]).await;
    assert_eq!(narrow["refresh_token"], Value::Null, "refresh tokens do not rotate");
    let list = api.client.post(api.url("/2/files/list_folder")).header("content-type", "application/json");
    let list = list.bearer_auth(narrow["access_token"].as_str().unwrap()).body(r#"{"path": ""}"#);
    assert_eq!(read(list.send().await.unwrap()).await.1["error"][".tag"], "missing_scope");
    let (status, answer) = refresh("emulator-refresh-token", &[("scope", "files.permanent_delete")]).await;
    assert_eq!((status, &answer["error"]), (400, &json!("invalid_scope")));
    api.control().revoke("emulator-refresh-token");
    refused(&refresh("emulator-refresh-token", &[]).await, "invalid_grant", gone);
    assert_eq!(api.rpc("check/user", json!({})).await.1["error"][".tag"], "invalid_access_token");
    let (_, answer) = api.token(&[("grant_type", "password")]).await;
    assert_eq!(answer["error"], "unsupported_grant_type");
}

/// The person of the account that an authorization in the browser ends with.
async fn account_of(api: &Api, location: &str) -> String {
    let url = url::Url::parse(location).unwrap();
    let code = url.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let (status, tokens) = exchange(api, &code, &[KEY, SECRET, ("redirect_uri", "http://localhost/cb")]).await;
    assert_eq!(status, 200, "{tokens}");
    let request = api.client.post(api.url("/2/users/get_current_account"));
    let answer = request.bearer_auth(tokens["access_token"].as_str().unwrap()).send().await.unwrap();
    let account = read(answer).await.1;
    assert_eq!(account["account_id"], tokens["account_id"]);
    assert_eq!(account["account_id"].as_str().unwrap().len(), 40);
    account["email"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_approved_app_is_sent_back_at_once_unless_it_asks_again() {
    let api = Api::start(Config::default()).await;
    let redirect = [("redirect_uri", "http://localhost/cb"), ("state", "s")];
    let open = async |more: &[(&str, &str)]| {
        let query = form(&[&ASK, &redirect[..], more].concat());
        let response = api.client.get(api.url(&format!("/oauth2/authorize?{query}"))).send().await.unwrap();
        let location = response.headers().get("location").map(|location| location.to_str().unwrap().to_owned());
        (location, response.text().await.unwrap())
    };
    let allow = async |more: &[(&str, &str)]| {
        let pairs = [&ASK, &redirect[..], more, &[("decision", "allow")]].concat();
        let response = api.client.post(api.url("/oauth2/authorize")).body(form(&pairs)).send().await.unwrap();
        response.headers()["location"].to_str().unwrap().to_owned()
    };
    let some = [("scope", "account_info.read")];
    assert_eq!(open(&some).await.0, None);
    allow(&some).await;
    // What was not agreed to is asked for.
    assert_eq!(open(&[]).await.0, None);
    let location = open(&some).await.0.unwrap();
    assert!(location.starts_with("http://localhost/cb?code=") && location.ends_with("&state=s"), "{location}");
    assert_eq!(account_of(&api, &location).await, "ada@example.com");
    // Without a redirect there is a code to be shown.
    assert_eq!(page(&api, &some).await.0, 200);

    let again = [some[0], ("force_reapprove", "true")];
    let (location, html) = open(&again).await;
    assert!(location.is_none() && !html.contains("Sign in as"), "{html}");
    let other = [some[0], ("force_reauthentication", "true")];
    let (location, html) = open(&other).await;
    assert!(location.is_none() && html.contains("Sign in as") && html.contains("grace@example.com"), "{html}");
    let location = allow(&[&other[..], &[("account", "grace")]].concat()).await;
    assert_eq!(account_of(&api, &location).await, "grace@example.com");
    // Nobody is somebody else who was not asked to sign in.
    let location = allow(&[&again[..], &[("account", "grace")]].concat()).await;
    assert_eq!(account_of(&api, &location).await, "ada@example.com");

    api.control().revoke_all();
    assert_eq!(open(&some).await.0, None);
}

#[tokio::test]
async fn a_reset_secret_and_a_deleted_app_are_no_clients() {
    let api = Api::start(Config::default()).await;
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", "emulator-refresh-token"), KEY];
    api.control().reset_app_secret("new");
    refused(&api.token(&[&refresh[..], &[SECRET]].concat()).await, "invalid_client", BAD_CLIENT);
    assert_eq!(api.token(&[&refresh[..], &[("client_secret", "new")]].concat()).await.0, 200);
    assert_eq!(api.token(&refresh).await.0, 200);
    api.control().delete_app();
    refused(&api.token(&refresh).await, "invalid_client", BAD_CLIENT);
    assert!(page(&api, &[]).await.1.contains("Invalid client_id"));
    let (status, answer) = api.rpc("files/list_folder", json!({ "path": "" })).await;
    assert_eq!((status, &answer["error"][".tag"]), (401, &json!("invalid_access_token")));
}
