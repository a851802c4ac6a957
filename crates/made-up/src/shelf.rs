//! A made-up destination: the memory of this process, under the name of a folder. It can do the least that dbackup can work with.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use adapter::conformance::Meager;
use adapter::destination::Destination;
use adapter::{Error, Field, Input, Manifest, PathUse, Required, Secrets, Settings};
use destinations::{Context, DestinationAdapter};

/// The adapter.
pub const ADAPTER: DestinationAdapter = DestinationAdapter {
    manifest: &MANIFEST,
    open,
    from_address: |_| Err(Error::invalid("the shelf has no address")),
    address: |settings| format!("made-to:{}", settings.text("shelf").unwrap_or_default()),
    check_folder: |folder| Ok(folder.to_owned()),
    no_subfolders: "An empty shelf",
};

static MANIFEST: Manifest = Manifest {
    id: "made-up-destination",
    title: "Made-up destination",
    summary: "A shelf that only tests know.",
    guide: "",
    icon: r#"<svg viewBox="0 0 24 24"><path d="M3 11h18v2H3z"/></svg>"#,
    schemes: &["made-to"],
    addresses: "made-to:/shelf",
    fields: &[Field {
        name: "shelf",
        label: "Shelf",
        help: "The name of a folder, which stays empty.",
        input: Input::HostPath { used: PathUse::Folder, except: &[] },
        required: Required::Always,
        max_len: 1000,
        example: "/shelf",
        ..Field::TEXT
    }],
    database_field: None,
    effect: "",
    authorization: None,
    capabilities: &[],
    tools: &[],
    setup: None,
    check: |_, _| (),
};

/// What lies on the shelves, by their names.
static SHELVES: Mutex<BTreeMap<PathBuf, Meager>> = Mutex::new(BTreeMap::new());

fn open(settings: &Settings, _: Secrets, _: &Context) -> Result<Arc<dyn Destination>, Error> {
    let shelf = settings.path("shelf").unwrap_or_default();
    let mut shelves = SHELVES.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(Arc::new(shelves.entry(shelf).or_default().clone()))
}
