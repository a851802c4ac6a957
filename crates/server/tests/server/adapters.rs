//! An adapter is a manifest and a line in a registry: a source and a destination that only this test knows work like any other.

use std::sync::Arc;

use adapter::destination::Destination;
use adapter::{Capability, Field, Input, Manifest, PathUse, Required, Secrets, Settings};
use destinations::{Context, DestinationAdapter};
use domain::Engine;
use serde_json::json;
use server::{Adapters, Config};
use sources::{Origin, Source, SourceAdapter};

use crate::world::{World, id, make_database};

/// A database in two fields, with a secret.
static MADE_UP_SOURCE: Manifest = Manifest {
    id: "made-up-source",
    title: "Made-up source",
    summary: "A source that only a test knows.",
    schemes: &["made"],
    fields: &[
        Field { name: "place", label: "Place", required: Required::Always, max_len: 1000, ..Field::TEXT },
        Field { name: "level", label: "Level", input: Input::Number { min: 1, max: 3 }, advanced: true, ..Field::TEXT },
        Field {
            name: "pin",
            label: "PIN",
            input: Input::Secret { shown: false },
            required: Required::Always,
            ..Field::TEXT
        },
    ],
    database_field: Some("place"),
    ..MANIFEST
};

/// A folder by another name.
static MADE_UP_DESTINATION: Manifest = Manifest {
    id: "made-up-destination",
    title: "Made-up destination",
    summary: "A destination that only a test knows.",
    schemes: &["made-to"],
    fields: &[Field {
        name: "shelf",
        label: "Shelf",
        input: Input::HostPath { used: PathUse::Folder, except: &[] },
        required: Required::Always,
        max_len: 1000,
        example: "/shelf",
        ..Field::TEXT
    }],
    capabilities: &[Capability::Browse],
    ..MANIFEST
};

const MANIFEST: Manifest = Manifest {
    id: "",
    title: "",
    summary: "",
    guide: "",
    icon: "<svg/>",
    schemes: &[],
    addresses: "",
    fields: &[],
    database_field: None,
    effect: "",
    authorization: None,
    capabilities: &[],
    tools: &[],
    setup: None,
    check: |_, _| (),
};

#[expect(clippy::needless_pass_by_value, reason = "the registry gives the signature")]
fn open_source(settings: &Settings, secrets: Secrets) -> Result<Box<dyn Source>, sources::Error> {
    assert!(secrets.contains_key("pin"));
    let path = settings.text("place").unwrap();
    (sources::registry().get("sqlite").unwrap().open)(&Settings::new("sqlite").with("path", path), Secrets::new())
}

fn open_destination(
    settings: &Settings,
    secrets: Secrets,
    context: &Context,
) -> Result<Arc<dyn Destination>, adapter::Error> {
    let folder = Settings::new("folder").with("path", settings.text("shelf").unwrap());
    (destinations::registry().get("folder").unwrap().open)(&folder, secrets, context)
}

fn registered(config: &mut Config) {
    let Adapters { sources, destinations } = Adapters::default();
    config.adapters = Adapters {
        sources: sources.with(SourceAdapter {
            manifest: &MADE_UP_SOURCE,
            engine: Engine::Sqlite,
            open: open_source,
            from_address: |_: &str, _: Origin| panic!("not asked for"),
            address: |settings| format!("made:{}", settings.text("place").unwrap_or_default()),
        }),
        destinations: destinations.with(DestinationAdapter {
            manifest: &MADE_UP_DESTINATION,
            open: open_destination,
            from_address: |_| panic!("not asked for"),
            address: |settings| format!("made-to:{}", settings.text("shelf").unwrap_or_default()),
            check_folder: |folder| Ok(folder.to_owned()),
            no_subfolders: "An empty shelf",
        }),
    };
}

#[tokio::test]
async fn a_new_adapter_is_described_validated_listed_and_runs_jobs() {
    let world = World::configured(registered).await;
    let anna = world.administrator().await;

    let api = world.stranger().get("/api/openapi.json").await.expect(200);
    let schemas = &api["components"]["schemas"];
    let settings = &schemas["SourceSettingsMadeUpSource"];
    assert_eq!((&settings["title"], &settings["required"]), (&json!("Made-up source"), &json!(["type", "place"])));
    assert_eq!(settings["properties"]["level"]["maximum"], 3);
    assert!(settings["properties"].get("pin").is_none(), "a secret is no setting");
    let mapping = &schemas["SourceSettings"]["discriminator"]["mapping"];
    assert_eq!(mapping["made-up-source"], "#/components/schemas/SourceSettingsMadeUpSource");
    assert_eq!(schemas["SourceInput"]["properties"]["pin"]["$ref"], "#/components/schemas/SecretField");
    assert_eq!(schemas["Source"]["properties"]["pinSet"]["type"], "boolean");
    assert_eq!(schemas["DestinationSettingsMadeUpDestination"]["properties"]["shelf"]["maxLength"], 1000);

    let adapters = anna.get("/api/adapters").await.expect(200);
    let listed =
        adapters["sources"].as_array().unwrap().iter().find(|adapter| adapter["id"] == "made-up-source").unwrap();
    assert_eq!((&listed["title"], &listed["icon"]), (&json!("Made-up source"), &json!("<svg/>")));
    assert_eq!((&listed["fields"][2]["name"], &listed["fields"][2]["secret"]), (&json!("pin"), &json!(true)));

    let input = |settings: serde_json::Value| json!({"name": "Made", "settings": settings, "pin": "1234-secret"});
    for (wrong, field) in [
        (input(json!({"type": "made-up-source", "level": 9, "place": "x"})), "settings.level"),
        (input(json!({"type": "made-up-source"})), "settings.place"),
        (input(json!({"type": "made-up-source", "place": "x", "shelf": "y"})), "settings.shelf"),
        (input(json!({"type": "unheard-of"})), "settings.type"),
        (json!({"name": "Made", "settings": {"type": "made-up-source", "place": "x"}}), "pin"),
    ] {
        for path in ["/api/sources", "/api/sources/validate"] {
            let problem = anna.post(path, &wrong).await.problem(422, "invalid", &[]);
            assert_eq!(problem["errors"][0]["field"], field, "{problem}");
        }
    }
    let database = world.path("made.db");
    make_database(&database, 10);
    let good = input(json!({"type": "made-up-source", "place": database}));
    assert_eq!(anna.post("/api/sources/validate", &good).await.expect(200)["settings"]["place"], json!(database));
    assert_eq!(anna.get("/api/sources").await.expect(200)["items"], json!([]), "nothing was saved");
    let made = anna.post("/api/sources", &good).await;
    assert!(!made.body.contains("1234-secret"));
    let source = made.expect(201);
    assert_eq!((&source["pinSet"], &source["address"]), (&json!(true), &json!(format!("made:{}", database.display()))));
    assert!(source.get("passwordSet").is_none(), "it has no password");

    let shelf = world.path("shelf");
    std::fs::create_dir(&shelf).unwrap();
    let input = json!({"name": "Shelf", "settings": {"type": "made-up-destination", "shelf": shelf}});
    let destination = anna.post("/api/destinations", &input).await.expect(201);
    assert_eq!(destination["authorization"]["status"], "not_required");
    // A path of the machine is judged in every adapter's settings.
    let own = json!({"name": "Own", "settings": {"type": "made-up-destination", "shelf": world.path("data")}});
    anna.post("/api/destinations", &own).await.problem(422, "invalid", &["own data"]);
    let program = anna.token(&["view", "configure"]).await;
    let theirs = json!({"name": "Theirs", "settings": {"type": "made-up-destination", "shelf": shelf}});
    program.post("/api/destinations", &theirs).await.problem(403, "forbidden", &["--allow-path"]);

    let job = anna.job("made", &id(&source), &[&id(&destination)], json!({})).await;
    assert_eq!(world.run_job(&anna, &job).await["state"], "succeeded");
    assert!(shelf.join("made").read_dir().unwrap().count() >= 2);
}

#[tokio::test]
async fn a_secret_of_another_adapter_is_refused() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let input = json!({"name": "x", "settings": {"type": "sqlite", "path": "/x.db"}, "password": "p"});
    anna.post("/api/sources", &input).await.problem(422, "invalid", &["password"]);
    let input = json!({"name": "x", "settings": {"type": "folder", "path": "/tmp"}, "appKey": "k"});
    anna.post("/api/destinations", &input).await.problem(422, "invalid", &["appKey"]);
}
