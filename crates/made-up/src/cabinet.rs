//! A made-up source: a cabinet is a folder, and each drawer in it, a file of lines, is a database. A dump is a line that says so, every
//! line of the drawer after a `+`, and at the end `=` with their number.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use adapter::{Capability, Field, Input, Manifest, PathUse, Required, Secrets, Settings};
use async_trait::async_trait;
use bytes::Bytes;
use domain::Warning;
use domain::probe::{Step, Steps};
use sources::{
    ByHand, Contents, Databases, Dump, DumpFormat, DumpOptions, Error, Finding, Guard, Kind, Origin, Restore,
    RestoreOptions, Restored, Review, Source, SourceAdapter, Unguarded, Versions,
};

/// The adapter.
pub const ADAPTER: SourceAdapter = SourceAdapter { manifest: &MANIFEST, dump: &DUMP, open, from_address, address };

static MANIFEST: Manifest = Manifest {
    id: "made-up-source",
    title: "Made-up source",
    summary: "A cabinet that only tests know.",
    guide: "",
    icon: r#"<svg viewBox="0 0 24 24"><path d="M4 3h16v18H4z"/></svg>"#,
    schemes: &["made"],
    addresses: "made:///cabinet/drawer",
    fields: &[
        Field {
            name: "place",
            label: "Place",
            help: "Where the cabinet stands on the server's machine.",
            input: Input::HostPath { used: PathUse::Folder, except: &[] },
            required: Required::Always,
            max_len: 1000,
            example: "/cabinet",
            ..Field::TEXT
        },
        Field {
            name: "drawer",
            label: "Drawer",
            help: "Leave empty for all of them.",
            example: "tools",
            ..Field::TEXT
        },
        Field {
            name: "level",
            label: "Level",
            help: "How high it stands.",
            input: Input::Number { min: 1, max: 3 },
            advanced: true,
            ..Field::TEXT
        },
        Field {
            name: "pin",
            label: "PIN",
            help: "It opens the cabinet.",
            input: Input::Secret { shown: false },
            required: Required::Always,
            ..Field::TEXT
        },
    ],
    database_field: Some("drawer"),
    effect: "During a backup, a drawer stays open.",
    authorization: None,
    capabilities: &[Capability::Databases],
    tools: &[],
    setup: None,
    check: |_, _| (),
};

static DUMP: DumpFormat = DumpFormat {
    ending: "made",
    magic: BEGIN,
    by_hand: ByHand { command: "| sed -n s/^+//p", notes: &[], target: "made:///CABINET/DRAWER" },
};

const BEGIN: &[u8] = b"MADE-UP 1\n";
/// What the name of a drawer ends with.
const DRAWER: &str = ".drawer";
/// What the name of a drawer ends with that is being filled.
const PASSING: &str = "filling";
/// Bytes that a dump gives at once.
const PIECE_LEN: usize = 10_000;

#[expect(clippy::needless_pass_by_value, reason = "the registry gives the signature")]
fn open(settings: &Settings, secrets: Secrets) -> Result<Box<dyn Source>, Error> {
    if !secrets.contains_key("pin") {
        return Err(Error::invalid("the PIN is missing"));
    }
    let place = settings.path("place").unwrap_or_default();
    Ok(Box::new(Cabinet { place, drawer: settings.text("drawer").map(str::to_owned) }))
}

fn from_address(_: &str, _: Origin) -> Result<(Settings, Secrets), Error> {
    Err(Error::invalid("a PIN is no part of an address"))
}

fn address(settings: &Settings) -> String {
    format!("made://{}/{}", settings.text("place").unwrap_or_default(), settings.text("drawer").unwrap_or_default())
}

#[derive(Debug, Clone)]
struct Cabinet {
    place: PathBuf,
    drawer: Option<String>,
}

impl Cabinet {
    fn file(&self, drawer: &str) -> Result<PathBuf, Error> {
        if drawer.is_empty() || drawer.contains(['/', '\0']) || drawer.starts_with('.') {
            return Err(Error::invalid(format!("'{drawer}' is no name of a drawer")));
        }
        Ok(self.place.join(format!("{drawer}{DRAWER}")))
    }

    /// The file of the one drawer that is named.
    fn target(&self) -> Result<PathBuf, Error> {
        self.file(self.drawer.as_deref().ok_or_else(|| Error::invalid("name the drawer"))?)
    }

    fn read(&self, drawer: &str) -> Result<Vec<u8>, Error> {
        fs::read(self.file(drawer)?)
            .map_err(|error| Error::failed(format!("could not open the drawer '{drawer}'"), error))
    }

    fn drawers(&self) -> Result<Vec<String>, Error> {
        let failed = |error: io::Error| Error::failed(format!("could not open {}", self.place.display()), error);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.place).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            names.extend(name.to_string_lossy().strip_suffix(DRAWER).map(str::to_owned));
        }
        names.sort();
        Ok(names)
    }
}

#[async_trait]
impl Source for Cabinet {
    fn adapter(&self) -> SourceAdapter {
        ADAPTER
    }

    fn name(&self) -> String {
        format!("made://{}/{}", self.place.display(), self.drawer.as_deref().unwrap_or_default())
    }

    async fn databases(&self) -> Result<Databases, Error> {
        Ok(Databases::all(match &self.drawer {
            Some(drawer) => vec![drawer.clone()],
            None => self.drawers()?,
        }))
    }

    async fn dump(&self, database: &str, _: DumpOptions) -> Result<Box<dyn Dump>, Error> {
        let content = self.read(database)?;
        let mut dump = BEGIN.to_vec();
        let mut count = 0;
        for line in content.split_inclusive(|byte| *byte == b'\n') {
            dump.push(b'+');
            dump.extend_from_slice(line);
            count += 1;
        }
        dump.extend_from_slice(format!("={count}\n").as_bytes());
        Ok(Box::new(CabinetDump(dump.into())))
    }

    async fn restore(&self, options: RestoreOptions) -> Result<Box<dyn Restore>, Error> {
        if self.contents().await? == Contents::Data && !options.overwrite {
            return Err(Error::holds_data(self.name()));
        }
        let target = self.target()?;
        let passing = target.with_extension(PASSING);
        let (guard, target_name) = (Arc::new(Unguarded), self.name());
        Ok(Box::new(CabinetRestore { target_name, target, passing, guard, dump: Vec::new() }))
    }

    async fn review(&self, _: RestoreOptions) -> Result<Box<dyn Review>, Error> {
        Ok(Box::new(CabinetReview))
    }

    async fn remove_leftovers(&self) -> Vec<Warning> {
        let Ok(target) = self.target() else { return Vec::new() };
        match remove(&target.with_extension(PASSING)) {
            Ok(()) => Vec::new(),
            Err(error) => vec![Warning::new("leftover", error.to_string())],
        }
    }

    async fn contents(&self) -> Result<Contents, Error> {
        match fs::metadata(self.target()?) {
            Ok(found) if found.len() == 0 => Ok(Contents::Empty),
            Ok(_) => Ok(Contents::Data),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Contents::Absent),
            Err(error) => Err(Error::failed("could not look into the drawer", error)),
        }
    }

    async fn probe(&self, on_step: &(dyn Fn(Step) + Sync)) -> bool {
        let mut steps = Steps::new(on_step);
        steps
            .take("cabinet", async { self.drawers().map(|drawers| ((), Some(format!("{} drawers", drawers.len())))) })
            .await;
        if let Some(drawer) = &self.drawer {
            steps.take("drawer", async { self.read(drawer).map(|_| ((), None)) }).await;
        }
        steps.passed()
    }
}

struct CabinetDump(Bytes);

#[async_trait]
impl Dump for CabinetDump {
    fn versions(&self) -> Versions {
        Versions { engine: "1".to_owned(), tool: "made up".to_owned() }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let piece = self.0.split_to(PIECE_LEN.min(self.0.len()));
        Ok(Some(piece).filter(|piece| !piece.is_empty()))
    }

    async fn finish(self: Box<Self>) -> Result<Vec<Warning>, Error> {
        match self.0.is_empty() {
            true => Ok(Vec::new()),
            false => Err(Error::failed("the dump is not complete", "it was not read to its end")),
        }
    }
}

struct CabinetReview;

#[async_trait]
impl Review for CabinetReview {
    fn read(&mut self, _: &[u8]) -> Result<bool, Error> {
        Ok(true)
    }

    async fn finish(self: Box<Self>) -> Result<Vec<Finding>, Error> {
        Ok(Vec::new())
    }
}

struct CabinetRestore {
    target_name: String,
    target: PathBuf,
    passing: PathBuf,
    guard: Arc<dyn Guard>,
    dump: Vec<u8>,
}

#[async_trait]
impl Restore for CabinetRestore {
    fn guard(&mut self, guard: Arc<dyn Guard>) {
        self.guard = guard;
    }

    async fn write(&mut self, piece: Bytes) -> Result<(), Error> {
        self.dump.extend_from_slice(&piece);
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), Error> {
        let content = content_of(&self.dump).ok_or_else(|| {
            Error::new(Kind::Damaged, format!("could not fill {}", self.target_name), "the dump is not complete")
        })?;
        fs::write(&self.passing, content).map_err(|error| failed(&self.passing, error))
    }

    async fn commit(self: Box<Self>) -> Result<Restored, Error> {
        let committed = async {
            self.guard.check().await?;
            fs::rename(&self.passing, &self.target).map_err(|error| failed(&self.target, error))
        };
        match committed.await {
            Ok(()) => Ok(Restored::whole(self.target_name)),
            Err(error) => {
                remove(&self.passing)?;
                Err(error)
            }
        }
    }

    async fn abort(self: Box<Self>) -> Result<(), Error> {
        remove(&self.passing)
    }
}

/// The lines of a dump that is complete.
fn content_of(dump: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    let mut lines = dump.strip_prefix(BEGIN)?.split_inclusive(|byte| *byte == b'\n');
    let mut count = 0;
    let end = loop {
        match lines.next()?.split_first()? {
            (b'+', line) => content.extend_from_slice(line),
            (b'=', end) => break end,
            _ => return None,
        }
        count += 1;
    };
    (end == format!("{count}\n").as_bytes() && lines.next().is_none()).then_some(content)
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(path, error)),
        _ => Ok(()),
    }
}

fn failed(path: &Path, error: io::Error) -> Error {
    Error::failed(format!("could not change {}", path.display()), error)
}
