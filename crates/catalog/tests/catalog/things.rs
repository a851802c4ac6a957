//! Sources, destinations, profiles: their names, their secrets, who uses them.

use catalog::{AuthorizationState, Error, GrantChange, NewDestination, NewProfile};
use secrecy::ExposeSecret;

use crate::on_both;
use crate::store::{Store, all_pages, at, destination, job, secrets, source};

on_both!(secrets_are_set_kept_removed_and_stay_in_their_place, what_is_used_stays_and_pages_are_in_order);

async fn secrets_are_set_kept_removed_and_stay_in_their_place(store: Store) {
    // M-07
    let catalog = store.open().await;
    let made = catalog.create_source(&source("shop", Some("hunter2-hunter2")), at(0)).await.unwrap();
    let password = |opened: std::collections::BTreeMap<String, secrecy::SecretString>| {
        opened.get("password").map(|password| password.expose_secret().to_owned())
    };
    assert_eq!(made.secrets_set, ["password"]);
    assert_eq!(password(catalog.source_secrets(&made).unwrap()).as_deref(), Some("hunter2-hunter2"));
    let mut change = source("shop", None);
    change.secrets.clear();
    let kept = catalog.update_source(&made.id, made.revision, &change, at(1)).await.unwrap().unwrap();
    assert_eq!(password(catalog.source_secrets(&kept).unwrap()).as_deref(), Some("hunter2-hunter2"));
    let other = catalog.create_source(&source("other", Some("another password")), at(0)).await.unwrap();
    store.sql(&format!(
        "UPDATE sources SET secret_settings = (SELECT secret_settings FROM sources WHERE id = '{}') WHERE id = '{}'",
        made.id, other.id
    ));
    let moved = catalog.source(&other.id).await.unwrap().unwrap();
    assert!(matches!(catalog.source_secrets(&moved), Err(Error::Sealed { .. })));
    let removed = catalog.update_source(&made.id, kept.revision, &source("shop", None), at(2)).await.unwrap().unwrap();
    assert!(removed.secrets_set.is_empty());

    let made = catalog.create_destination(&destination("Offsite"), at(0)).await.unwrap();
    let state = AuthorizationState {
        account_id: "dbid:x".to_owned(),
        account_name: "Anna".to_owned(),
        email: "a@example.com".to_owned(),
        team: None,
        scopes: vec!["files.content.write".to_owned()],
        used: Some(1),
        allowed: Some(u64::from(u32::MAX) * 1000),
        authorized_at: at(1),
        checked_at: at(1),
        broken: None,
        app_refused: false,
        app_changed: false,
        missing_scopes: Vec::new(),
        team_root: None,
    };
    catalog.set_grant(&made.id, &"the-refresh-token".into(), &state).await.unwrap();
    let stale = catalog.destination(&made.id).await.unwrap().unwrap();
    assert_eq!(stale.authorization.as_ref(), Some(&state));
    let opened = catalog.destination_secrets(&stale).unwrap();
    assert_eq!(opened.grant.unwrap().expose_secret(), "the-refresh-token");
    assert_eq!(opened.settings.len(), 2);
    // What was learnt of an old grant does not concern the new one.
    catalog.set_grant(&made.id, &"another-refresh-token".into(), &state).await.unwrap();
    let broken = AuthorizationState { broken: Some("revoked".to_owned()), ..state.clone() };
    catalog.set_authorization_state(&stale, &broken).await.unwrap();
    let now = catalog.destination(&made.id).await.unwrap().unwrap();
    assert_eq!(now.authorization, Some(state.clone()));
    let granted = GrantChange::Set("a-third-refresh-token".into(), Box::new(broken));
    let late = NewDestination { grant: granted, ..destination("Offsite") };
    let refused = catalog.update_destination(&made.id, now.revision + 1, &late, at(2)).await;
    assert!(matches!(refused, Err(Error::Outdated)), "{refused:?}");
    assert_eq!(catalog.destination(&made.id).await.unwrap().unwrap().authorization, now.authorization);
    let taken = NewDestination { name: "offsite".to_owned(), ..late };
    assert!(matches!(catalog.create_destination(&taken, at(2)).await, Err(Error::NameTaken)));
    let elsewhere = NewDestination { name: "Elsewhere".to_owned(), ..taken };
    let elsewhere = catalog.create_destination(&elsewhere, at(2)).await.unwrap();
    assert!(elsewhere.authorization.is_some() && elsewhere.revision == 1, "{elsewhere:?}");
    let without = NewDestination { grant: GrantChange::Remove, ..destination("Offsite") };
    let without = catalog.update_destination(&made.id, now.revision, &without, at(2)).await.unwrap().unwrap();
    assert_eq!(
        (without.authorization.clone(), catalog.destination_secrets(&without).unwrap().grant.is_none()),
        (None, true)
    );

    let new = NewProfile {
        name: "company".to_owned(),
        recipients: vec!["age1x".to_owned()],
        identity: Some("AGE-SECRET-KEY-1X".into()),
    };
    let profile = catalog.create_profile(&new, at(0)).await.unwrap();
    assert_eq!(catalog.profile_identity(&profile).unwrap().unwrap().expose_secret(), "AGE-SECRET-KEY-1X");
    assert_eq!(catalog.all_identities().await.unwrap().len(), 1);
    assert!(catalog.mark_exported(&profile.id, at(1)).await.unwrap());
    assert!(!catalog.mark_exported(&profile.id, at(2)).await.unwrap());
}

async fn what_is_used_stays_and_pages_are_in_order(store: Store) {
    let catalog = store.open().await;
    for name in ["b", "A", "ü", "c d", "E"] {
        catalog.create_source(&source(name, None), at(0)).await.unwrap();
        catalog.create_destination(&destination(name), at(0)).await.unwrap();
    }
    let again = catalog.create_source(&source(" a", None), at(0)).await;
    assert!(matches!(again, Err(Error::NameTaken)), "{again:?}");
    let names = all_pages(async |page| catalog.sources(&page).await, |source| source.name.clone()).await;
    assert_eq!(names, ["A", "b", "c d", "E", "ü"]);
    let names = all_pages(async |page| catalog.destinations(&page).await, |destination| destination.name.clone()).await;
    assert_eq!(names, ["A", "b", "c d", "E", "ü"]);
    let new = NewProfile { name: "p".to_owned(), recipients: vec!["age1x".to_owned()], identity: None };
    let profile = catalog.create_profile(&new, at(0)).await.unwrap();
    let (source_id, destination_id) =
        (store.sql("SELECT min(id) FROM sources"), store.sql("SELECT min(id) FROM destinations"));
    let mut new = job("j", &source_id, &[&destination_id]);
    new.profile_id = Some(profile.id.clone());
    let made = catalog.create_job(&new, at(0)).await.unwrap();
    for refused in [
        catalog.delete_source(&source_id, 1).await,
        catalog.delete_destination(&destination_id, 1, at(9)).await,
        catalog.delete_profile(&profile.id, 1).await,
    ] {
        assert!(matches!(refused, Err(Error::Referenced)), "{refused:?}");
    }
    assert!(catalog.delete_job(&made.id, 1).await.unwrap());
    assert!(catalog.delete_source(&source_id, 1).await.unwrap());
    assert!(catalog.delete_destination(&destination_id, 1, at(9)).await.unwrap());
    assert!(catalog.delete_profile(&profile.id, 1).await.unwrap());
    assert!(!catalog.delete_profile(&profile.id, 1).await.unwrap());
    let renamed = catalog.update_source("nobody", 1, &source("x", None), at(0)).await.unwrap();
    assert!(renamed.is_none() && secrets(&[]).is_empty());
}
