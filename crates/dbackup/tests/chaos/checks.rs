//! What is checked at the end of a story.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;
use test_support::wait_until;

use crate::estate::MARKED;
use crate::model::{Copy, copies, is_success, original, text};
use crate::processes::tools;
use crate::stored::{Place, Spot, below, files, is_whole};
use crate::story::Story;
use crate::{content, world};

/// Restores at the end of the short form.
const SAMPLE: usize = 8;
/// The same of the long form.
const LONG_SAMPLE: usize = 40;

impl Story {
    pub(crate) fn check(&mut self, runs: &[Value]) {
        self.check_nothing_is_lost(runs);
        self.check_nothing_is_doubled(runs);
        self.model.assert_nothing_changed(&self.estate, runs);
        self.check_restores(runs);
        self.check_nothing_is_left();
        self.check_secrets(runs);
    }

    fn check_nothing_is_lost(&self, runs: &[Value]) {
        let listed: BTreeSet<&str> = runs.iter().map(|run| text(run, "id")).collect();
        for id in &self.model.accepted {
            assert!(listed.contains(id.as_str()), "run {id} was accepted, and is not listed");
        }
        for run in runs.iter().filter(|run| text(run, "kind") == "backup") {
            let made = copies(run);
            assert!(!is_success(run) || !made.is_empty(), "succeeded without a copy: {run}");
            for copy in made {
                let whole = is_whole(&self.estate.world, &self.spot(&copy));
                assert!(whole.is_ok(), "{whole:?} of {run}");
            }
        }
    }

    fn spot(&self, copy: &Copy<'_>) -> Spot {
        let place = self.estate.destinations.iter().find(|(_, id)| *id == copy.destination).unwrap().0;
        (*place, copy.path.to_owned())
    }

    fn check_nothing_is_doubled(&mut self, runs: &[Value]) {
        let mut slots = BTreeMap::new();
        for run in runs {
            if let (Some(job), Some(slot)) = (run["jobId"].as_str(), run["slot"].as_str()) {
                let other = slots.insert((job, slot), run);
                assert!(other.is_none(), "two runs of one slot: {other:?} and {run}");
            }
        }
        let by_id: BTreeMap<&str, &Value> = runs.iter().map(|run| (text(run, "id"), run)).collect();
        let mut made = BTreeMap::new();
        for (spot, (id, database)) in self.model.stored.backups(&self.estate.world) {
            let run = by_id.get(id.as_str()).unwrap_or_else(|| panic!("{spot:?} is of run {id}, which is not listed"));
            let other = made.insert((id, spot.0, database), spot.clone());
            assert!(other.is_none(), "{other:?} and {spot:?} are of one run: {run}");
            if is_success(run) && !self.model.stored.was_copied(&spot) {
                assert!(copies(run).iter().any(|copy| self.spot(copy) == spot), "{spot:?} is missing in {run}");
            }
        }
    }

    /// Whatever is green restores, and is what was backed up.
    fn check_restores(&mut self, runs: &[Value]) {
        let backups = runs.iter().filter(|run| is_success(run) && text(run, "kind") == "backup");
        let mut made: Vec<Copy<'_>> = backups.flat_map(copies).collect();
        let most = if self.is_long { LONG_SAMPLE } else { SAMPLE };
        while made.len() > most {
            let one = self.random.below(made.len() as u64) as usize;
            made.swap_remove(one);
        }
        for (number, copy) in made.iter().enumerate() {
            self.restore_and_compare(number, copy);
        }
        self.say(&format!("{} backups restored, and the same", made.len()));
    }

    fn restore_and_compare(&self, number: usize, copy: &Copy<'_>) {
        let estate = &self.estate;
        let spot = self.spot(copy);
        let destination = match spot.0 {
            Place::Disk => format!("file://{}", estate.world.path("disk").display()),
            Place::Dropbox => format!("dropbox:{}", crate::stored::DROPBOX),
        };
        let file = estate.world.path(&format!("check {number}.db"));
        let (is_sqlite, database) = (copy.path.contains(".db"), format!("check_{number}"));
        let target = if is_sqlite { format!("sqlite://{}", file.display()) } else { estate.source.address(&database) };
        let key = estate.world.path("key.txt").display().to_string();
        let arguments = ["restore", &destination, copy.path, "--target", &target, "--identity", &key];
        let ran = world::Ran::of(&mut estate.world.command(&arguments));
        assert_eq!(ran.code, Some(0), "{spot:?} does not restore: {}{}", ran.stdout, ran.stderr);
        let (found, expected) = if is_sqlite {
            (content::of_sqlite(&file), &estate.known["books"])
        } else {
            (content::of_postgres(&estate.source, &database), &estate.known[original(copy.database)])
        };
        // One that restores replace was backed up before or after that.
        let replaced = (original(copy.database) == MARKED).then(|| estate.known["blog"].clone());
        let is_known = found.as_ref() == Some(expected) || replaced.is_some() && found == replaced;
        assert!(is_known, "{spot:?} restores, and is not what was backed up: {found:?}");
    }

    fn check_nothing_is_left(&self) {
        let estate = &self.estate;
        let passing = "SELECT string_agg(datname, ', ') FROM pg_database WHERE datname LIKE '%\\_\\_dbackup\\_%'";
        let left = estate.source.sql("postgres", passing);
        assert_eq!(left.trim(), "", "databases of restores are left");
        wait_until("no tool runs any more", || tools(estate.source.port()).is_empty());
        let partial: Vec<Spot> =
            files(&estate.world).into_iter().filter(|(_, path)| path.contains("dbackup-partial")).collect();
        assert!(partial.is_empty(), "not published, and left: {partial:?}");
        let private = |path: &std::path::PathBuf| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            name.contains("dbackup-copy") || name.contains("dbackup-restore") || name.ends_with("-journal")
        };
        let private: Vec<_> = below(estate.world.folder.path()).into_iter().filter(private).collect();
        assert!(private.is_empty(), "private files are left: {private:?}");
        assert_eq!(estate.world.strays(), Vec::<std::path::PathBuf>::new());
        for node in &estate.nodes {
            let kept = below(&estate.world.path(node.name()).join("unrecorded"));
            assert!(kept.is_empty(), "ends that are still not stored: {kept:?}");
        }
    }

    fn check_secrets(&self, runs: &[Value]) {
        let secrets = self.estate.secrets();
        let logs = self.estate.nodes.iter().map(|node| {
            let path = self.estate.world.path(&format!("{}.log", node.name()));
            (path.display().to_string(), fs::read_to_string(&path).unwrap())
        });
        let shown = serde_json::to_string(runs).unwrap();
        for (place, text) in logs.chain([("the list of runs".to_owned(), shown)]) {
            for secret in &secrets {
                assert!(!text.contains(secret.as_str()), "a secret is in {place}: {secret}");
            }
        }
    }
}
