//! Revisions: a change that was made of an outdated state changes nothing.

use catalog::{Error, NewProfile, NewUser};
use domain::access::Role;

use crate::on_both;
use crate::store::{Store, at, destination, job, source};

on_both!(an_outdated_change_is_refused_and_changes_nothing, the_numbers_of_jobs_come_from_their_runs);

async fn an_outdated_change_is_refused_and_changes_nothing(store: Store) {
    let catalog = store.open().await;
    let shop = catalog.create_source(&source("shop", Some("hunter2-hunter2")), at(0)).await.unwrap();
    let disk = catalog.create_destination(&destination("Disk"), at(0)).await.unwrap();
    let new = job("j", &shop.id, &[&disk.id]);
    let made = catalog.create_job(&new, at(0)).await.unwrap();
    let profile = NewProfile { name: "p".to_owned(), recipients: vec!["age1x".to_owned()], identity: None };
    let profile = catalog.create_profile(&profile, at(0)).await.unwrap();
    let user = NewUser { name: "Anna".to_owned(), role: Role::Administrator, password_hash: "hash".to_owned() };
    let user = catalog.create_user(&user, at(0)).await.unwrap();
    assert_eq!([shop.revision, disk.revision, made.revision, profile.revision, user.revision], [1; 5]);

    let shop = catalog.update_source(&shop.id, 1, &source("shop 2", None), at(1)).await.unwrap().unwrap();
    let disk = catalog.update_destination(&disk.id, 1, &destination("Disk 2"), at(1)).await.unwrap().unwrap();
    let renamed = job("j 2", &shop.id, &[&disk.id]);
    let made = catalog.update_job(&made.id, 1, &renamed, at(1)).await.unwrap().unwrap();
    let profile = catalog.rename_profile(&profile.id, 1, "p 2").await.unwrap().unwrap();
    assert!(catalog.update_user(&user.id, 1, None, Some("another hash")).await.unwrap());
    assert_eq!([shop.revision, disk.revision, made.revision, profile.revision], [2; 4]);

    for refused in [
        catalog.update_source(&shop.id, 1, &source("x", Some("y")), at(2)).await.map(drop),
        catalog.update_destination(&disk.id, 1, &destination("x"), at(2)).await.map(drop),
        catalog.update_job(&made.id, 1, &job("x", &shop.id, &[&disk.id]), at(2)).await.map(drop),
        catalog.rename_profile(&profile.id, 1, "x").await.map(drop),
        catalog.update_user(&user.id, 1, Some(Role::Viewer), Some("x")).await.map(drop),
        catalog.delete_job(&made.id, 1).await.map(drop),
        catalog.delete_source(&shop.id, 1).await.map(drop),
        catalog.delete_profile(&profile.id, 1).await.map(drop),
        catalog.delete_user(&user.id, 1).await.map(drop),
    ] {
        assert!(matches!(refused, Err(Error::Outdated)), "{refused:?}");
    }
    assert_eq!(catalog.source_by_name("SHOP 2").await.unwrap().unwrap().secrets_set, Vec::<String>::new());
    assert_eq!(catalog.destination_by_name("disk 2").await.unwrap().unwrap().revision, 2);
    assert_eq!(catalog.job_by_name("J 2").await.unwrap().unwrap().job.revision, 2);
    assert_eq!(catalog.profile_by_name("P 2").await.unwrap().unwrap().revision, 2);
    let user = catalog.user(&user.id).await.unwrap().unwrap();
    assert_eq!((user.role, user.password_hash.as_str(), user.revision), (Role::Administrator, "another hash", 2));
    catalog.acknowledge_warning(&made.id, "unlogged-tables").await.unwrap().unwrap();
    assert_eq!(catalog.job(&made.id).await.unwrap().unwrap().revision, 3);
    assert!(catalog.delete_job(&made.id, 3).await.unwrap());
    let refused = catalog.delete_destination(&disk.id, 1, at(9)).await;
    assert!(matches!(refused, Err(Error::Outdated)), "{refused:?}");
    assert!(
        catalog.delete_destination(&disk.id, 2, at(9)).await.unwrap()
            && !catalog.delete_job(&made.id, 3).await.unwrap()
    );
}

async fn the_numbers_of_jobs_come_from_their_runs(store: Store) {
    let catalog = store.open().await;
    let shop = catalog.create_source(&source("shop", None), at(0)).await.unwrap();
    let disk = catalog.create_destination(&destination("Disk"), at(0)).await.unwrap();
    let made = catalog.create_job(&job("j", &shop.id, &[&disk.id]), at(0)).await.unwrap();
    let numbers = async || catalog.job_numbers().await.unwrap().pop().unwrap();
    let never = numbers().await;
    assert!(never.good.is_none() && never.ended.is_none() && never.enabled);
    assert_eq!((never.name.as_str(), never.source.as_str(), never.source_type.as_str()), ("j", "shop", "sqlite"));
    for (id, state, end) in [("1", "succeeded", 10), ("2", "failed", 20)] {
        store.sql(&format!(
            "INSERT INTO runs (id, kind, job_id, title, cause, state, attempt, fence, cancel_requested, dumped_bytes, stored_bytes, sent_bytes, created_at, \
             started_at, finished_at) VALUES ('{id}', 'backup', '{}', 'j', 'manual', '{state}', 0, 0, FALSE, 7, 5, 5, 0, {}, {})",
            made.id,
            at(end - 4).as_millisecond(),
            at(end).as_millisecond()
        ));
    }
    let now = numbers().await;
    let (good, ended) = (now.good.unwrap(), now.ended.unwrap());
    assert_eq!((good.finished_at, good.dumped_bytes, good.stored_bytes), (at(10).into(), 7, 5));
    assert_eq!((ended.finished_at, ended.started_at), (at(20).into(), Some(at(16).into())));
    assert!(!ended.state.is_success());
}
