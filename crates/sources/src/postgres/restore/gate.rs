//! The gate before the commit of a restore into the target itself: pg_restore commits by itself when it is through, whatever has become
//! of this process. So the archive gets one more entry at its end, inside the same transaction, which waits for a lock that a
//! session of this process holds, and fails unless that session has said that it may pass. If this process is killed, its session
//! ends, the entry fails, and the server rolls everything back.

use std::time::Duration;

use bytes::Bytes;

use super::super::Postgres;
use super::super::archive::{Addition, ArchiveReader};
use super::super::change::{Extent, Work};
use super::super::passing::Number;
use super::super::session::Session;
use crate::error::Error;

/// The first halves of the advisory locks' keys: "dbkg", which pg_restore waits for, and "dbko", which lets it commit.
const GATE_CLASS: u32 = 0x6462_6b67;
const OPEN_CLASS: u32 = 0x6462_6b6f;
/// How often it is asked whether pg_restore has come to the gate.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// A closed gate. Dropped unopened, it lets nothing pass.
#[derive(Debug)]
pub(super) struct Gate {
    session: Session,
    number: Number,
}

impl Gate {
    /// Closes the gate: before pg_restore starts.
    pub(super) async fn close(source: &Postgres, database: &str, number: Number) -> Result<Self, Error> {
        let what = format!("could not hold back the commit of a restore into '{database}'");
        let session = Session::open(source, database, what).await?;
        let sql = format!("SELECT 'held' FROM pg_catalog.pg_advisory_lock({})", key(GATE_CLASS, number));
        let (session, _) = session.ask(&sql).await?;
        Ok(Self { session, number })
    }

    /// Returns what the archive needs to stop at the gate.
    pub(super) fn addition(&self, archive: &ArchiveReader) -> Addition {
        archive.addition(&stop(self.number))
    }

    /// Waits until pg_restore has done everything but commit. Returns its transaction, too.
    pub(super) async fn reached(mut self) -> Result<(Self, Work), Error> {
        let sql = format!(
            "SELECT coalesce(min({}), '') FROM pg_catalog.pg_stat_activity WHERE pid IN \
             (SELECT l.pid FROM pg_catalog.pg_locks l WHERE NOT granted AND {})",
            Extent::Transaction.columns(),
            is_lock(GATE_CLASS, self.number)
        );
        loop {
            let (session, waiting) = self.session.ask(&sql).await?;
            self.session = session;
            if let Some(work) = Work::parse(&waiting, Extent::Transaction) {
                return Ok((self, work));
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// Lets pg_restore commit; the gate is kept until it has.
    pub(super) async fn open(self) -> Result<Session, Error> {
        let (open, gate) = (key(OPEN_CLASS, self.number), key(GATE_CLASS, self.number));
        let (session, _) = self.session.ask(&format!("SELECT 'open' FROM pg_catalog.pg_advisory_lock({open})")).await?;
        let (session, _) = session.ask(&format!("SELECT pg_catalog.pg_advisory_unlock({gate})")).await?;
        Ok(session)
    }
}

/// Replaces the pieces of an archive's head by those with the entry.
pub(super) fn add(pieces: Vec<Bytes>, addition: &Addition) -> Vec<Bytes> {
    let pieces = splice(pieces, addition.end, 0, &addition.entry);
    splice(pieces, addition.count_at, addition.count.len(), &addition.count)
}

/// Puts bytes in the place of others, and leaves all pieces that are not concerned as they are.
fn splice(pieces: Vec<Bytes>, at: usize, removed: usize, inserted: &[u8]) -> Vec<Bytes> {
    let mut spliced = Vec::with_capacity(pieces.len() + 2);
    let (mut start, mut is_inserted) = (0, false);
    for piece in pieces {
        let end = start + piece.len();
        let before = at.clamp(start, end) - start;
        let after = (at + removed).clamp(start, end) - start;
        spliced.push(piece.slice(..before));
        if !is_inserted && at <= end {
            spliced.push(Bytes::copy_from_slice(inserted));
            is_inserted = true;
        }
        spliced.push(piece.slice(after..));
        start = end;
    }
    spliced.retain(|piece| !piece.is_empty());
    spliced
}

fn key(class: u32, number: Number) -> String {
    format!("{}, {}", class.cast_signed(), number.value().cast_signed())
}

fn is_lock(class: u32, number: Number) -> String {
    format!(
        "locktype = 'advisory' AND objsubid = 2 AND classid::bigint = {class} AND objid::bigint = {} AND database = \
         (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())",
        number.value()
    )
}

/// The entry's SQL. The number of the backend keeps the planner from failing before it is asked.
fn stop(number: Number) -> String {
    format!(
        "SELECT pg_catalog.pg_advisory_lock_shared({}); SELECT CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_locks WHERE granted AND {}) \
         THEN 1 ELSE ('dbackup ended before it let backend ' || pg_catalog.pg_backend_pid() || ' commit')::integer END;",
        key(GATE_CLASS, number),
        is_lock(OPEN_CLASS, number)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_replaced_wherever_the_pieces_end() {
        for cuts in [vec![10], vec![3, 7], vec![1; 10], vec![4, 6], vec![5, 5]] {
            for (at, removed, expected) in
                [(4, 2, "0123XY6789"), (5, 0, "01234XY56789"), (10, 0, "0123456789XY"), (0, 1, "XY123456789")]
            {
                let mut rest = Bytes::from_static(b"0123456789");
                let pieces = cuts.iter().map(|cut| rest.split_to(*cut)).collect();
                let spliced = splice(pieces, at, removed, b"XY").concat();
                assert_eq!(String::from_utf8(spliced).unwrap(), expected, "{cuts:?}");
            }
        }
    }
}
