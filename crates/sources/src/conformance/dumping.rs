//! What can be known and dumped.

use std::sync::Mutex;

use domain::probe::{Step, StepResult};

use super::{Subject, dump, dump_and_count, dump_of_rows, many_rows, overwrite, restore};
use crate::{Contents, DumpOptions, RestoreOptions, Severity};

pub async fn a_database_is_found_probed_and_known_by_what_it_holds(subject: &dyn Subject) {
    subject.make("full", &many_rows("full")).await;
    subject.make("empty", &[]).await;
    for (database, contents) in [("full", Contents::Data), ("empty", Contents::Empty), ("absent", Contents::Absent)] {
        assert_eq!(subject.source(database).contents().await.unwrap(), contents, "{database}");
    }
    let source = subject.source("full");
    assert_eq!(source.databases().await.unwrap().names.len(), 1);
    let failed = Mutex::new(Vec::new());
    let on_step = |step: Step| {
        if let StepResult::Failed { message } = step.result {
            failed.lock().unwrap().push(message);
        }
    };
    assert!(source.probe(&on_step).await, "{failed:?}");
    assert_eq!(*failed.lock().unwrap(), [""; 0]);
    assert!(!subject.source("absent").probe(&on_step).await);
    assert!(!failed.lock().unwrap().is_empty(), "a step that fails says why");
    assert_eq!(subject.rows("absent").await, None, "a probe makes nothing");
}

pub async fn what_is_dumped_comes_back_as_it_was(subject: &dyn Subject) {
    let (dump, rows) = dump_of_rows(subject).await;
    subject.make("empty", &[]).await;
    for target in ["absent", "empty"] {
        let restored = restore(&*subject.source(target), RestoreOptions::default(), &dump).await.unwrap();
        assert!(restored.failed_objects.is_empty(), "{restored:?}");
        assert_eq!(subject.rows(target).await.as_ref(), Some(&rows), "{target}");
    }
    assert_eq!(subject.rows("origin").await, Some(rows));
    let mut all = subject.all().await;
    all.sort();
    assert_eq!(all, ["absent", "empty", "origin"], "nothing else is left");
}

pub async fn an_empty_database_comes_back_empty(subject: &dyn Subject) {
    subject.make("origin", &[]).await;
    let dump = dump(&*subject.source("origin"), "origin").await.unwrap();
    subject.make("full", &many_rows("full")).await;
    for target in ["absent", "full"] {
        restore(&*subject.source(target), overwrite(), &dump).await.unwrap();
        assert_eq!(subject.source(target).contents().await.unwrap(), Contents::Empty, "{target}");
    }
}

pub async fn a_database_that_is_not_there_is_named_and_not_made(subject: &dyn Subject) {
    let error = dump(&*subject.source("absent"), "absent").await.unwrap_err();
    assert!(error.to_string().contains("absent"), "{error}");
    assert_eq!(subject.all().await, [""; 0]);
}

pub async fn a_dump_that_is_not_read_to_its_end_proves_nothing(subject: &dyn Subject) {
    subject.make("origin", &many_rows("origin")).await;
    let source = subject.source("origin");
    let mut begun = source.dump("origin", DumpOptions::default()).await.unwrap();
    assert!(begun.next().await.unwrap().is_some());
    drop(begun);
    let unread = source.dump("origin", DumpOptions::default()).await.unwrap();
    assert!(unread.finish().await.is_err());
    assert_eq!(subject.all().await, ["origin"]);
}

pub async fn a_review_changes_nothing(subject: &dyn Subject) {
    let (dump, rows) = dump_of_rows(subject).await;
    for target in ["absent", "origin"] {
        let mut review = subject.source(target).review(RestoreOptions::default()).await.unwrap();
        for piece in dump.chunks(30_000) {
            if review.read(piece).unwrap() {
                break;
            }
        }
        let findings = review.finish().await.unwrap();
        let blocked = findings.iter().any(|finding| finding.severity == Severity::Blocks);
        assert!(target == "origin" || !blocked, "{findings:?}");
    }
    assert_eq!(subject.rows("origin").await, Some(rows));
    assert_eq!(subject.all().await, ["origin"]);
}

/// Whatever moment that is: the dump and the count are of the same one.
pub async fn rows_are_counted_at_the_moment_of_the_dump(subject: &dyn Subject) {
    subject.make("origin", &many_rows("origin")).await;
    let before = many_rows("origin").len() as u64;
    let source = subject.source("origin");
    if !subject.add("origin", &["first".to_owned()]).await {
        let (_, counted) = dump_and_count(&*source, "origin").await.unwrap();
        return assert_eq!(counted, None);
    }
    let adding = async {
        for number in 0..20 {
            assert!(subject.add("origin", &[format!("later {number}")]).await);
            tokio::task::yield_now().await;
        }
    };
    let (dumped, ()) = tokio::join!(dump_and_count(&*source, "origin"), adding);
    let (dump, counted) = dumped.unwrap();
    let counted = counted.unwrap();
    restore(&*subject.source("absent"), RestoreOptions::default(), &dump).await.unwrap();
    assert_eq!(counted.total, subject.rows("absent").await.unwrap().len() as u64);
    assert!(counted.total > before && counted.tables == 1, "{counted:?}");
}
