//! An authorization is a manifest and two traits: a provider that only this test knows is authorized, re-authorized by another account,
//! refused and revoked, and its destination runs a job.

use std::any::Any;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use adapter::authorization::{
    Account, Act, Answer, Client, Consent, Description, Environment, Granted, Holds, Provider, RedirectHelp, Scope,
    Shows, Step as SetupStep, Use, Variable,
};
use adapter::destination::{
    Capabilities, Destination, Download, Entry, Expected, Pages, Proof, Upload, Usage, Version,
};
use adapter::{
    Authorization, Capability, Directs, Error, Field, Input, Kind, Manifest, PathUse, Required, Secrets, Settings,
};
use async_trait::async_trait;
use destinations::{Context, DestinationAdapter};
use domain::probe::Step;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use server::{Adapters, Config};

use crate::world::{Browser, World, id};

/// The grants that are good. Only one test uses them.
static GOOD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

static DESCRIPTION: Description = Description {
    provider: "Vault",
    app: "ticket",
    scopes: &[
        Scope { name: "put", needed: true, proved_by: &[Act::Write] },
        Scope { name: "see", needed: true, proved_by: &[Act::List, Act::Read] },
    ],
    steps_title: "How to get a ticket",
    steps: &[SetupStep { text: "Tell **Vault** this address:", shows: Some(Shows::RedirectUri) }],
    redirect_help: RedirectHelp { question: "Does Vault not open?", help: "Tell it this address." },
    shows_code: false,
    revoke_by_hand: "Burn the ticket",
    variables: &[Variable { name: "VAULT_GRANT", help: "A grant", holds: Holds::Grant }],
    words,
    connect: |_: &Environment| Ok(Arc::new(Vault)),
};

static MANIFEST: Manifest = Manifest {
    id: "vault",
    title: "Vault",
    summary: "A destination that only a test knows.",
    guide: "",
    icon: "<svg/>",
    schemes: &["vault"],
    addresses: "vault:/shelf",
    fields: &[
        Field {
            name: "ticket",
            label: "Ticket",
            input: Input::Secret { shown: true },
            required: Required::Always,
            directs: Directs::Secrets,
            ..Field::TEXT
        },
        Field {
            name: "shelf",
            label: "Shelf",
            input: Input::HostPath { used: PathUse::Folder, except: &[] },
            required: Required::Always,
            max_len: 1000,
            example: "/shelf",
            ..Field::TEXT
        },
    ],
    database_field: None,
    effect: "",
    authorization: Some(&DESCRIPTION),
    capabilities: &[Capability::Quota],
    tools: &[],
    setup: None,
    check: |_, _| (),
};

fn words(fault: &Authorization) -> (String, Option<&'static str>) {
    match fault {
        Authorization::MissingScope(scope) => (format!("the ticket lacks {scope}"), Some("Ask Vault for it.")),
        Authorization::AppNotRecognized => ("Vault does not know the ticket".to_owned(), None),
        Authorization::Missing | Authorization::Revoked => ("Vault took the key back".to_owned(), None),
    }
}

fn unauthorized(fault: Authorization) -> Error {
    let words = words(&fault).0;
    Error::new(Kind::Unauthorized(fault), words, "")
}

struct Vault;

#[async_trait]
impl Provider for Vault {
    fn consent_url(&self, app: &Secrets, consent: &Consent<'_>) -> Result<String, Error> {
        assert_eq!(app["ticket"].expose_secret(), "t-1");
        assert_eq!(consent.verifier.expose_secret().len(), 64);
        let (state, to) = (consent.state.unwrap(), consent.redirect_uri.unwrap());
        Ok(format!("https://vault.example/?again={}&to={to}&state={state}", consent.ask_again))
    }

    async fn exchange(&self, _app: &Secrets, answer: &Answer<'_>) -> Result<Granted, Error> {
        let code = answer.code.expose_secret();
        let account =
            code.strip_prefix("of-").ok_or_else(|| Error::failed("Vault does not know this code", "it is made up"))?;
        let mut good = GOOD.lock().unwrap();
        let grant = format!("{account}#{}-secret-grant", good.len());
        good.insert(grant.clone());
        Ok(Granted { grant: grant.into(), scopes: vec!["put".to_owned(), "see".to_owned()], account_id: None })
    }

    fn client(&self, _app: &Secrets, grant: &SecretString, _usage: &Use<'_>) -> Result<Arc<dyn Client>, Error> {
        Ok(Arc::new(Access(grant.expose_secret().to_owned())))
    }

    fn own_access(&self) -> Result<(Secrets, Option<SecretString>), Error> {
        Ok((Secrets::new(), None))
    }
}

#[derive(Clone)]
struct Access(String);

impl Access {
    fn check(&self) -> Result<(), Error> {
        let is_good = GOOD.lock().unwrap().contains(&self.0);
        is_good.then_some(()).ok_or_else(|| unauthorized(Authorization::Revoked))
    }
}

#[async_trait]
impl Client for Access {
    async fn account(&self) -> Result<Account, Error> {
        self.check()?;
        let account = self.0.split('#').next().unwrap().to_owned();
        Ok(Account { email: format!("{account}@vault.example"), id: account, ..Account::default() })
    }

    async fn usage(&self) -> Result<Option<Usage>, Error> {
        self.check()?;
        Ok(Some(Usage { used: 1, allowed: Some(100) }))
    }

    async fn revoke(&self) -> Result<(), Error> {
        self.check()?;
        GOOD.lock().unwrap().remove(&self.0);
        Ok(())
    }

    async fn has_scope(&self, _scope: &str) -> Option<bool> {
        Some(true)
    }
}

/// A folder that opens with a grant only.
struct Shelf(Arc<dyn Destination>, Access);

#[async_trait]
impl Destination for Shelf {
    fn name(&self) -> String {
        self.0.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    async fn identity(&self) -> String {
        self.0.identity().await
    }

    async fn create(&self, path: &str) -> Result<Box<dyn Upload>, Error> {
        self.1.check()?;
        self.0.create(path).await
    }

    async fn open(&self, path: &str) -> Result<Box<dyn Download>, Error> {
        self.1.check()?;
        self.0.open(path).await
    }

    async fn pages(&self, folder: &str) -> Result<Box<dyn Pages>, Error> {
        self.1.check()?;
        self.0.pages(folder).await
    }

    async fn stat(&self, path: &str) -> Result<Option<Entry>, Error> {
        self.1.check()?;
        self.0.stat(path).await
    }

    async fn delete(&self, path: &str, version: Option<&Version>) -> Result<(), Error> {
        self.1.check()?;
        self.0.delete(path, version).await
    }

    async fn prove(&self, path: &str, expected: &Expected) -> Result<Proof, Error> {
        self.0.prove(path, expected).await
    }

    async fn probe(&self, on_step: &(dyn Fn(Step) + Sync)) -> bool {
        self.1.check().is_ok() && self.0.probe(on_step).await
    }
}

fn open(settings: &Settings, secrets: Secrets, context: &Context) -> Result<Arc<dyn Destination>, Error> {
    let client = context.client.as_deref().unwrap() as &dyn Any;
    let access = client.downcast_ref::<Access>().unwrap().clone();
    let folder = Settings::new("folder").with("path", settings.text("shelf").unwrap());
    let folder = (destinations::registry().get("folder").unwrap().open)(&folder, secrets, context)?;
    Ok(Arc::new(Shelf(folder, access)))
}

fn registered(config: &mut Config) {
    let Adapters { sources, destinations, channels } = Adapters::default();
    let vault = DestinationAdapter {
        manifest: &MANIFEST,
        open,
        from_address: |_| panic!("not asked for"),
        address: |settings| format!("vault:{}", settings.text("shelf").unwrap_or_default()),
        check_folder: |folder| Ok(folder.to_owned()),
        no_subfolders: "An empty shelf",
    };
    config.adapters = Adapters { sources, destinations: destinations.with(vault), channels };
}

/// Begins an authorization, and comes back as the provider would send the browser. Returns the page on which it ends.
async fn authorize(browser: &Browser, destination: &str, back: &str) -> String {
    let begun = browser.begin_authorization(destination).await;
    let url = begun["url"].as_str().unwrap();
    assert!(url.contains("to=http://localhost:3000/api/adapters/vault/callback&"), "{url}");
    let path = format!("/api/adapters/vault/callback?state={}&{back}", begun["state"].as_str().unwrap());
    let answer = browser.get(&path).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    answer.headers["location"].to_str().unwrap().to_owned()
}

fn state_of(location: &str) -> String {
    location.split_once("state=").unwrap().1.replace("%2D", "-").replace("%5F", "_")
}

fn status(destination: &Value) -> &str {
    destination["authorization"]["status"].as_str().unwrap()
}

#[tokio::test]
async fn a_new_provider_is_authorized_by_accounts_refused_revoked_and_runs_a_job() {
    // M-02, M-04, M-05, M-08
    let world = World::configured(registered).await;
    let anna = world.administrator().await;
    let adapters = anna.get("/api/adapters").await.expect(200);
    let listed = adapters["destinations"].as_array().unwrap().iter().find(|adapter| adapter["id"] == "vault").unwrap();
    let told = &listed["authorization"];
    assert_eq!((&told["provider"], &told["scopes"]), (&json!("Vault"), &json!(["put", "see"])));
    assert_eq!(told["redirectUri"], "http://localhost:3000/api/adapters/vault/callback");
    assert_eq!((&told["steps"][0]["shows"], &told["showsCode"]), (&json!("redirectUri"), &json!(false)));

    let shelf = world.path("shelf");
    std::fs::create_dir(&shelf).unwrap();
    let input = json!({"name": "Deep", "settings": {"type": "vault", "shelf": shelf}, "ticket": "t-1"});
    let made = anna.post("/api/destinations", &input).await.expect(201);
    assert_eq!(status(&made), "authorization_required");
    let destination = id(&made);
    let path = format!("/api/destinations/{destination}");
    let show = async || anna.get(&path).await.expect(200);
    anna.post(&format!("{path}/authorization"), &json!({"mode": "code"})).await.problem(422, "invalid", &["no code"]);

    // Refused by the person, by the provider, and answered by another provider.
    for (back, words) in
        [("error=access_denied", "not allowed in Vault"), ("code=made-up", "Vault does not know this code")]
    {
        let location = authorize(&anna, &destination, back).await;
        let asked = format!("{path}/authorization?state={}", state_of(&location));
        let told = anna.get(&asked).await.expect(200);
        assert!(told["status"] == "failed" && told["reason"].as_str().unwrap().contains(words), "{told}");
    }
    let begun = anna.begin_authorization(&destination).await;
    let foreign = format!("/api/adapters/dropbox/callback?code=of-ada&state={}", begun["state"].as_str().unwrap());
    anna.get(&foreign).await.problem(403, "forbidden", &["another provider"]);
    anna.get("/api/adapters/folder/callback?code=x&state=y").await.problem(404, "notFound", &[]);
    assert_eq!((status(&show().await), GOOD.lock().unwrap().len()), ("authorization_required", 0));

    let location = authorize(&anna, &destination, "code=of-ada").await;
    assert!(location.ends_with(&format!("{path}?authorization=authorized").replace("/api", "")), "{location}");
    let shown = show().await;
    assert_eq!(status(&shown), "authorized");
    assert_eq!(shown["authorization"]["account"]["email"], "ada@vault.example");
    assert_eq!(shown["authorization"]["space"]["allowed"], 100);
    assert!(!shown.to_string().contains("secret-grant"));

    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let job = anna.job("shop", &source, &[&destination], json!({})).await;
    assert_eq!(world.run_job(&anna, &job).await["state"], "succeeded");

    // Another account is confirmed, and the access of the one before ends.
    let location = authorize(&anna, &destination, "code=of-bob").await;
    assert!(location.contains("authorization=account_changed"), "{location}");
    let accept = json!({"state": state_of(&location), "accept": true});
    let confirmed = anna.post(&format!("{path}/authorization/confirm"), &accept).await.expect(200);
    assert_eq!(confirmed["authorization"]["account"]["email"], "bob@vault.example");
    assert!(GOOD.lock().unwrap().iter().all(|grant| grant.starts_with("bob")));
    assert_eq!(world.run_job(&anna, &job).await["state"], "succeeded");

    // Revoked elsewhere: the run says so, in the provider's words, and the next authorization clears it.
    GOOD.lock().unwrap().clear();
    let run = world.run_job(&anna, &job).await;
    assert!(run["error"].as_str().unwrap().contains("Vault took the key back. Re-authorize"), "{run}");
    assert_eq!(status(&show().await), "reauthorization_required");
    authorize(&anna, &destination, "code=of-bob").await;
    assert_eq!(status(&show().await), "authorized");
    assert_eq!(world.run_job(&anna, &job).await["state"], "succeeded");

    // Another app needs another authorization, and its predecessor's access cannot be revoked with it.
    let changed = json!({"name": "Deep", "settings": {"type": "vault", "shelf": shelf}, "ticket": "t-2"});
    let changed = anna.put(&path, &changed).await.expect(200);
    assert_eq!(status(&changed), "reauthorization_required");
    assert!(changed["authorization"]["reason"].as_str().unwrap().contains("the Ticket was changed"), "{changed}");
    anna.delete(&format!("/api/jobs/{job}")).await.expect(204);
    let words = &["the Ticket was changed", "Burn the ticket"];
    anna.delete(&format!("{path}?revoke=true")).await.problem(424, "notRevoked", words);
}
