//! What lies at the destinations, seen from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::world::World;

const SIDECAR: &str = ".meta.json";
/// The folder of the Dropbox destination.
pub(crate) const DROPBOX: &str = "/b";

/// Where a copy lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Disk,
    Dropbox,
}

/// A file at a destination, its path relative to it.
pub(crate) type Spot = (Place, String);

/// All files and the runs that published them. Published files never change, so sidecars are read once.
#[derive(Default)]
pub(crate) struct Stored {
    runs: BTreeMap<Spot, (String, String)>,
    /// Files that runs of another kind put there.
    copied: BTreeSet<Spot>,
}

impl Stored {
    /// Takes note that something is copied there.
    pub(crate) fn is_copied(&mut self, spot: Spot) {
        self.copied.insert(spot);
    }

    /// Returns the backups of a run that have a sidecar.
    pub(crate) fn of_run(&mut self, world: &World, run: &str) -> BTreeSet<Spot> {
        let spots = self.backups(world).into_iter();
        spots
            .filter(|(spot, (made_by, _))| made_by == run && !self.copied.contains(spot))
            .map(|(spot, _)| spot)
            .collect()
    }

    pub(crate) fn was_copied(&self, spot: &Spot) -> bool {
        self.copied.contains(spot)
    }

    /// Returns all backups that have a sidecar, with their runs and databases.
    pub(crate) fn backups(&mut self, world: &World) -> BTreeMap<Spot, (String, String)> {
        let mut backups = BTreeMap::new();
        for (place, path) in files(world) {
            let Some(backup) = path.strip_suffix(SIDECAR) else { continue };
            let spot = (place, backup.to_owned());
            let run = self.runs.entry(spot.clone()).or_insert_with(|| {
                let sidecar = read(world, &(place, path.clone()));
                let sidecar: Value = serde_json::from_slice(&sidecar)
                    .unwrap_or_else(|error| panic!("the sidecar {place:?} {path} is published and not whole: {error}"));
                ["runId", "database"].map(|field| sidecar[field].as_str().unwrap().to_owned()).into()
            });
            backups.insert(spot, run.clone());
        }
        backups
    }
}

/// Returns whether a backup and its sidecar are there and agree.
pub(crate) fn is_whole(world: &World, (place, path): &Spot) -> Result<(), String> {
    let both = [path.clone(), format!("{path}{SIDECAR}")].map(|path| (*place, path));
    let there: BTreeSet<Spot> = files(world).into_iter().collect();
    for spot in &both {
        if !there.contains(spot) {
            return Err(format!("{spot:?} is missing"));
        }
    }
    let [backup, sidecar] = both.map(|spot| read(world, &spot));
    let sidecar: Value = serde_json::from_slice(&sidecar).map_err(|error| format!("{path}: {error}"))?;
    let digest: String = Sha256::digest(&backup).iter().map(|byte| format!("{byte:02x}")).collect();
    if sidecar["checksum"]["sha256Stored"] != digest.as_str() {
        return Err(format!("{place:?} {path} is not what its sidecar says"));
    }
    Ok(())
}

/// Returns all files at both destinations, but what was put there to leave no room.
pub(crate) fn files(world: &World) -> Vec<Spot> {
    let root = world.path("disk");
    let on_disk = below(&root).into_iter().map(|path| path.strip_prefix(&root).unwrap().display().to_string());
    let on_disk = on_disk.filter(|path| path != "filler").map(|path| (Place::Disk, path));
    let dropbox = world.stored().into_iter().map(|path| {
        let path = path.strip_prefix(DROPBOX).unwrap_or_else(|| panic!("{path} lies outside of the folder"));
        (Place::Dropbox, path.trim_start_matches('/').to_owned())
    });
    on_disk.chain(dropbox).collect()
}

fn read(world: &World, (place, path): &Spot) -> Vec<u8> {
    match place {
        Place::Disk => fs::read(world.path("disk").join(path)).unwrap(),
        Place::Dropbox => world.dropbox().read(&format!("{DROPBOX}/{path}")).unwrap(),
    }
}

/// Returns all files below a folder, which may change meanwhile.
pub(crate) fn below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() { files.extend(below(&path)) } else { files.push(path) }
    }
    files
}
