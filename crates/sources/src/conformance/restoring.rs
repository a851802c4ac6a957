//! What a restore changes, and what it must not.

use std::sync::Arc;

use super::{COUNT_LIMIT, Counting, Subject, dump_and_count, dump_of_rows, many_rows, overwrite, restore, write};
use crate::{Counted, Kind, RestoreOptions};

pub async fn a_database_that_holds_data_is_replaced_only_when_told(subject: &dyn Subject) {
    let (dump, rows) = dump_of_rows(subject).await;
    let before = many_rows("before");
    subject.make("target", &before).await;
    let source = subject.source("target");
    restore(&*source, RestoreOptions::default(), &dump).await.unwrap_err();
    assert_eq!(subject.rows("target").await, Some(before));
    restore(&*source, overwrite(), &dump).await.unwrap();
    assert_eq!(subject.rows("target").await, Some(rows));
    let mut all = subject.all().await;
    all.sort();
    assert_eq!(all, ["origin", "target"]);
}

/// Before the first byte, in the middle, and when only the commit is missing; into a database and into none.
pub async fn a_restore_that_is_given_up_leaves_everything_as_it_was(subject: &dyn Subject) {
    let (dump, _) = dump_of_rows(subject).await;
    let before = many_rows("before");
    subject.make("target", &before).await;
    for target in ["target", "absent"] {
        let source = subject.source(target);
        for written in [0, dump.len() / 2, dump.len()] {
            let mut restore = write(&*source, overwrite(), &dump[..written]).await.unwrap();
            if written == dump.len() {
                restore.finish().await.unwrap();
            }
            restore.abort().await.unwrap();
            let mut all = subject.all().await;
            all.sort();
            assert_eq!(all, ["origin", "target"], "{target} {written}");
        }
    }
    assert_eq!(subject.rows("target").await, Some(before));
}

pub async fn a_dump_that_is_cut_short_never_gets_its_place(subject: &dyn Subject) {
    let (dump, _) = dump_of_rows(subject).await;
    let before = many_rows("before");
    subject.make("target", &before).await;
    for target in ["target", "absent"] {
        for length in [0, 1, dump.len() / 2, dump.len() - 1] {
            let restored = restore(&*subject.source(target), overwrite(), &dump[..length]).await;
            assert!(restored.is_err(), "{target} {length}");
        }
    }
    assert_eq!(subject.rows("target").await, Some(before));
    let mut all = subject.all().await;
    all.sort();
    assert_eq!(all, ["origin", "target"]);
}

pub async fn a_guard_that_refuses_lets_nothing_change(subject: &dyn Subject) {
    let (dump, rows) = dump_of_rows(subject).await;
    let before = many_rows("before");
    subject.make("target", &before).await;
    for (target, left) in [("target", Some(before)), ("absent", None)] {
        let source = subject.source(target);
        for passes in [false, true] {
            let guard = Arc::new(Counting::new(passes));
            let mut restore = source.restore(overwrite()).await.unwrap();
            restore.guard(guard.clone());
            for piece in dump.chunks(30_000) {
                restore.write(bytes::Bytes::copy_from_slice(piece)).await.unwrap();
            }
            // Where the engine's own tool changes the target, the guard is asked before that.
            let committed = match restore.finish().await {
                Ok(()) => restore.commit().await,
                Err(error) => {
                    restore.abort().await.unwrap();
                    Err(error)
                }
            };
            assert!(guard.asked() > 0, "{target}");
            if passes {
                committed.unwrap();
            } else {
                let error = committed.unwrap_err();
                assert!(matches!(error.kind(), Kind::Stopped), "{error}");
                assert_eq!(subject.rows(target).await, left, "{target}");
            }
        }
        assert_eq!(subject.rows(target).await.as_ref(), Some(&rows), "{target}");
    }
}

pub async fn what_a_killed_restore_leaves_is_removed(subject: &dyn Subject) {
    let (dump, _) = dump_of_rows(subject).await;
    let before = many_rows("before");
    subject.make("target", &before).await;
    let source = subject.source("target");
    // Dropping is what a kill comes closest to within a process.
    for written in [dump.len() / 2, dump.len()] {
        drop(write(&*source, overwrite(), &dump[..written]).await.unwrap());
        assert_eq!(subject.rows("target").await.as_ref(), Some(&before), "{written}");
        let warnings = source.remove_leftovers().await;
        assert!(warnings.is_empty(), "{warnings:?}");
        let mut all = subject.all().await;
        all.sort();
        assert_eq!(all, ["origin", "target"], "{written}");
    }
}

/// Before it gets its place, and equal to what was counted at the dump.
pub async fn rows_are_counted_in_the_restored_database(subject: &dyn Subject) {
    let before = many_rows("before");
    subject.make("origin", &many_rows("origin")).await;
    subject.make("target", &before[..7]).await;
    let (dump, recorded) = dump_and_count(&*subject.source("origin"), "origin").await.unwrap();
    for target in ["absent", "target"] {
        let source = subject.source(target);
        let mut restore = write(&*source, overwrite(), &dump).await.unwrap();
        restore.finish().await.unwrap();
        match (restore.count_rows(COUNT_LIMIT).await, &recorded) {
            (crate::Counting::Done(Counted { rows, can_have_changed }), Some(recorded)) => {
                assert_eq!((&rows, can_have_changed), (recorded, false), "{target}");
            }
            (crate::Counting::Not(_), None) => {}
            other => panic!("{target}: {other:?}"),
        }
        restore.abort().await.unwrap();
    }
    assert_eq!(subject.rows("target").await.as_deref(), Some(&before[..7]));
}
