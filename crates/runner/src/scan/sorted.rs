//! The files of a listing, each backup beside its sidecar, whatever order they came in. Up to a bound they are kept in memory; what is
//! more is sorted into private files, which are merged while they are read.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, BufWriter, Seek, Write};
use std::path::PathBuf;

use adapter::Registry;
use adapter::destination::Object;
use domain::naming::SIDECAR_SUFFIX;
use jiff::Timestamp;
use pipeline::PrivateFile;
use serde::{Deserialize, Serialize};
use sources::SourceAdapter;

use super::{File, Found};
use crate::catalog::{is_backup, parse_path};
use crate::sidecars::pair_key;

/// Maximum number of files kept in memory.
const MAX_IN_MEMORY: usize = 50_000;
/// What the names of the private files begin with.
const PREFIX: &str = ".scan-";
/// Only this server reads them.
const MODE: u32 = 0o600;

/// A file of a listing, with what it is sorted by: the same for a backup and its sidecar, which comes second.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    key: String,
    is_sidecar: bool,
    stored: Stored,
}

/// What is kept of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stored {
    path: String,
    size: u64,
    modified: Option<Timestamp>,
}

impl Entry {
    /// Returns `None` for a file that can be neither a backup nor a sidecar.
    fn of(stored: Stored, ignores_case: bool) -> Option<Self> {
        let (backup, is_sidecar) = match stored.path.strip_suffix(SIDECAR_SUFFIX) {
            Some(backup) => (backup, true),
            None => (stored.path.as_str(), false),
        };
        parse_path(backup)?;
        Some(Self { key: pair_key(backup, ignores_case).into_owned(), is_sidecar, stored })
    }

    /// Returns what no other file has.
    fn identity(&self) -> (&str, bool) {
        (&self.key, self.is_sidecar)
    }

    fn file(&self) -> File {
        File { size: self.stored.size, modified: self.stored.modified }
    }
}

/// Collects the files of a listing.
#[derive(Debug)]
pub(super) struct Sorter {
    folder: PathBuf,
    ignores_case: bool,
    limit: usize,
    sources: Registry<SourceAdapter>,
    entries: Vec<Entry>,
    spilled: Vec<PrivateFile>,
}

impl Sorter {
    /// Private files lie in `folder` as long as this and what it becomes live.
    pub(super) fn new(folder: PathBuf, ignores_case: bool, sources: Registry<SourceAdapter>) -> Self {
        Self { folder, ignores_case, limit: MAX_IN_MEMORY, sources, entries: Vec::new(), spilled: Vec::new() }
    }

    /// Adds files. One that came before takes the place of the earlier one. Blocks while it writes.
    pub(super) fn add(&mut self, objects: Vec<Object>) -> io::Result<()> {
        let ignores_case = self.ignores_case;
        let entry = |Object { path, size, modified }: Object| Entry::of(Stored { path, size, modified }, ignores_case);
        self.entries.extend(objects.into_iter().filter_map(entry));
        if self.entries.len() >= self.limit { self.spill() } else { Ok(()) }
    }

    fn spill(&mut self) -> io::Result<()> {
        let private = PrivateFile::create(&self.folder, OsStr::new(PREFIX), MODE)?;
        let mut writer = BufWriter::new(private.file());
        for entry in sorted(std::mem::take(&mut self.entries)) {
            serde_json::to_writer(&mut writer, &entry.stored)?;
            writer.write_all(b"\n")?;
        }
        writer.flush()?;
        drop(writer);
        self.spilled.push(private);
        Ok(())
    }

    /// Returns the backups, sorted by path.
    pub(super) fn finish(mut self) -> io::Result<Backups> {
        let in_memory = Run::Memory(sorted(std::mem::take(&mut self.entries)).into_iter());
        let spilled = self.spilled.into_iter().map(|private| Run::spilled(private, self.ignores_case));
        let mut runs = spilled.collect::<io::Result<Vec<_>>>()?;
        // The later ones last.
        runs.push(in_memory);
        let mut heads = BinaryHeap::with_capacity(runs.len());
        for (index, run) in runs.iter_mut().enumerate() {
            heads.extend(run.next()?.map(|entry| Head { entry, run: index }));
        }
        Ok(Backups { runs, heads, next: None, sources: self.sources })
    }
}

/// Sorts by identity. Of files that have the same, the later one is kept.
fn sorted(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.reverse();
    entries.sort_by(|one, other| one.identity().cmp(&other.identity()));
    entries.dedup_by(|one, other| one.identity() == other.identity());
    entries
}

/// Sorted entries.
#[derive(Debug)]
enum Run {
    Memory(std::vec::IntoIter<Entry>),
    Spilled { reader: BufReader<std::fs::File>, ignores_case: bool, _private: PrivateFile },
}

impl Run {
    fn spilled(private: PrivateFile, ignores_case: bool) -> io::Result<Self> {
        let mut file = private.file().try_clone()?;
        file.rewind()?;
        Ok(Self::Spilled { reader: BufReader::new(file), ignores_case, _private: private })
    }

    fn next(&mut self) -> io::Result<Option<Entry>> {
        match self {
            Self::Memory(entries) => Ok(entries.next()),
            Self::Spilled { reader, ignores_case, .. } => {
                let mut line = Vec::new();
                if reader.read_until(b'\n', &mut line)? == 0 {
                    return Ok(None);
                }
                let entry = Entry::of(serde_json::from_slice(&line)?, *ignores_case);
                entry.map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into())
            }
        }
    }
}

/// The next entry of a run. The smallest is the greatest, for the heap; of equal ones, that of the last run.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    entry: Entry,
    run: usize,
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        other.entry.identity().cmp(&self.entry.identity()).then(self.run.cmp(&other.run))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The backups of a listing, sorted by path.
#[derive(Debug)]
pub(super) struct Backups {
    runs: Vec<Run>,
    heads: BinaryHeap<Head>,
    /// An entry that was taken to look at it.
    next: Option<Entry>,
    sources: Registry<SourceAdapter>,
}

impl Backups {
    /// Returns the next backups, at most `limit`; none at the end. Blocks while it reads.
    pub(super) fn page(&mut self, limit: usize) -> io::Result<Vec<Found>> {
        let mut page = Vec::new();
        while page.len() < limit {
            let Some(found) = self.next_backup()? else { break };
            page.push(found);
        }
        Ok(page)
    }

    fn next_backup(&mut self) -> io::Result<Option<Found>> {
        while let Some(backup) = self.next_entry()? {
            // A sidecar whose backup is gone.
            if backup.is_sidecar {
                continue;
            }
            let after = self.next_entry()?;
            let (sidecar, after) = match after {
                Some(after) if after.key == backup.key => (Some(after.file()), None),
                after => (None, after),
            };
            self.next = after;
            let Some((job, name)) = parse_path(&backup.stored.path) else { continue };
            if !is_backup(&name, sidecar.is_some(), &self.sources) {
                continue;
            }
            let file = backup.file();
            return Ok(Some(Found { path: backup.stored.path, job, name, file, sidecar }));
        }
        Ok(None)
    }

    fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        if let Some(entry) = self.next.take() {
            return Ok(Some(entry));
        }
        let Some(first) = self.pop()? else { return Ok(None) };
        // Earlier ones of the same file.
        while self.heads.peek().is_some_and(|head| head.entry.identity() == first.identity()) {
            self.pop()?;
        }
        Ok(Some(first))
    }

    fn pop(&mut self) -> io::Result<Option<Entry>> {
        let Some(mut head) = self.heads.peek_mut() else { return Ok(None) };
        // The index is of the vector that the heads were made of.
        let next = self.runs[head.run].next()?;
        Ok(Some(match next {
            Some(next) => std::mem::replace(&mut head.entry, next),
            None => PeekMut::pop(head).entry,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(path: &str, size: u64) -> Object {
        Object { path: path.to_owned(), size, modified: None }
    }

    fn sorter(folder: &tempfile::TempDir, ignores_case: bool) -> Sorter {
        Sorter::new(folder.path().to_owned(), ignores_case, sources::registry())
    }

    #[test]
    fn a_dump_of_an_unknown_engine_is_a_backup_if_it_has_a_sidecar_and_other_files_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let mut sorter = sorter(&folder, false);
        let of = |ending: &str| format!("shop/backup_2026-01-15T12-00-00_a.{ending}");
        let sidecar = format!("{}{SIDECAR_SUFFIX}", of("sql.zst"));
        for path in [of("sql.zst"), sidecar, of("dump"), of("dump.sha256"), of("bak"), of("dump.zst.asc")] {
            sorter.add(vec![object(&path, 1)]).unwrap();
        }
        let found: Vec<String> = read(sorter.finish().unwrap(), 10).into_iter().map(|found| found.path).collect();
        assert_eq!(found, [of("dump"), of("sql.zst")]);
    }

    fn name(number: usize) -> String {
        format!("shop/backup_2026-01-15T12-00-{:02}_db{number}.dump", number % 60)
    }

    fn read(mut backups: Backups, limit: usize) -> Vec<Found> {
        let mut all = Vec::new();
        loop {
            let page = backups.page(limit).unwrap();
            if page.is_empty() {
                return all;
            }
            assert!(page.len() <= limit);
            all.extend(page);
        }
    }

    #[test]
    fn backups_and_sidecars_are_paired_whatever_their_order_within_bounded_memory() {
        let folder = tempfile::tempdir().unwrap();
        let mut sorter = Sorter { limit: 16, ..sorter(&folder, false) };
        // All sidecars first, then the backups in another order; some files come again, with another size.
        for number in 0..100 {
            sorter.add(vec![object(&format!("{}{SIDECAR_SUFFIX}", name(number)), 5)]).unwrap();
            assert!(sorter.entries.len() < 16);
        }
        for number in (0..120).rev() {
            sorter.add(vec![object(&name(number), 1), object(&format!("shop/other{number}"), 1)]).unwrap();
        }
        sorter.add((0..120).step_by(2).map(|number| object(&name(number), 2)).collect()).unwrap();
        assert!(sorter.spilled.len() > 10 && std::fs::read_dir(folder.path()).unwrap().count() > 10);
        let found = read(sorter.finish().unwrap(), 7);
        assert_eq!(found.len(), 120);
        assert!(found.is_sorted_by(|one, other| one.path < other.path));
        assert_eq!(found.iter().filter(|found| found.sidecar.is_some()).count(), 100);
        assert!(found.iter().all(|found| found.sidecar.is_none_or(|sidecar| sidecar.size == 5)));
        assert_eq!(found.iter().filter(|found| found.file.size == 2).count(), 60, "the later one counts");
        test_support::wait_until("nothing is left behind", || {
            std::fs::read_dir(folder.path()).unwrap().next().is_none()
        });
    }

    #[test]
    fn paths_that_differ_by_case_only_are_two_backups_unless_the_storage_ignores_case() {
        let folder = tempfile::tempdir().unwrap();
        let (upper, lower) = ("Shop/backup_2026-01-15T12-00-00.db", "shop/backup_2026-01-15T12-00-00.db");
        let listed = |ignores_case| {
            let mut sorter = sorter(&folder, ignores_case);
            let sidecar = object(&format!("{lower}{SIDECAR_SUFFIX}"), 5);
            sorter.add(vec![object(upper, 1), sidecar, object(lower, 2)]).unwrap();
            let found = read(sorter.finish().unwrap(), 10).into_iter();
            found.map(|found| (found.path, found.file.size, found.sidecar.is_some())).collect::<Vec<_>>()
        };
        assert_eq!(listed(false), [(upper.to_owned(), 1, false), (lower.to_owned(), 2, true)]);
        assert_eq!(listed(true), [(lower.to_owned(), 2, true)]);
    }
}
