//! Users, sessions, API tokens, the audit log.

use catalog::{
    AuditFilter, Error, Keep, MAX_SESSIONS_PER_USER, MAX_TOKENS_PER_USER, NewApiToken, NewAuditEntry, NewSession,
    NewUser, PageRequest, Token,
};
use domain::access::{Permission, Role};
use jiff::SignedDuration;

use crate::on_both;
use crate::store::{Store, all_pages, at};

on_both!(
    one_of_two_racing_becomes_the_first_administrator,
    names_are_unique_and_one_administrator_stays,
    sessions_end_and_tokens_are_found_by_their_hash,
    credentials_of_a_user_are_bounded_and_end_with_the_password,
    the_audit_log_is_filtered_by_who_what_on_what_when_and_its_outcome,
);

fn user(name: &str, role: Role) -> NewUser {
    NewUser { name: name.to_owned(), role, password_hash: "$argon2id$x".to_owned() }
}

async fn one_of_two_racing_becomes_the_first_administrator(store: Store) {
    let catalog = store.open().await;
    let token = Token::new("").unwrap();
    catalog.add_setup_token(&token).await.unwrap();
    let second = Token::new("").unwrap();
    catalog.add_setup_token(&second).await.unwrap();
    let (wrong, bootstrap) = (Token::new("").unwrap(), Token::new("").unwrap());
    let eve = user("Eve", Role::Administrator);
    assert!(catalog.create_first_administrator(&wrong, &eve, None, at(0)).await.unwrap().is_none());
    assert!(catalog.has_no_users().await.unwrap());
    let anna = user("Anna", Role::Administrator);
    let (one, other) = tokio::join!(
        catalog.create_first_administrator(&token, &anna, Some(("bootstrap", &bootstrap)), at(1)),
        catalog.create_first_administrator(&second, &eve, Some(("bootstrap", &bootstrap)), at(1))
    );
    assert_eq!(u8::from(one.unwrap().is_some()) + u8::from(other.unwrap().is_some()), 1);
    let made = catalog.api_token_by_token(&bootstrap).await.unwrap().expect("the token comes with its user");
    assert!(catalog.user(&made.user_id).await.unwrap().is_some());
    for token in [token, second] {
        assert!(!catalog.is_setup_token(&token).await.unwrap());
    }
}

async fn names_are_unique_and_one_administrator_stays(store: Store) {
    let catalog = store.open().await;
    let anna = catalog.create_user(&user(" Anna ", Role::Administrator), at(0)).await.unwrap();
    assert_eq!(anna.name, "Anna");
    let again = catalog.create_user(&user("ANNA", Role::Viewer), at(0)).await;
    assert!(matches!(again, Err(Error::NameTaken)), "{again:?}");
    assert_eq!(catalog.user_by_name("anna ").await.unwrap().unwrap().id, anna.id);
    for name in ["b", "C", "d", "É"] {
        catalog.create_user(&user(name, Role::Viewer), at(0)).await.unwrap();
    }
    let names = all_pages(async |page| catalog.users(&page).await, |user| user.name.clone()).await;
    assert_eq!(names, ["Anna", "b", "C", "d", "É"]);
    assert!(!catalog.delete_user(&anna.id, 1).await.unwrap());
    assert!(!catalog.update_user(&anna.id, 1, Some(Role::Operator), None).await.unwrap());
    assert_eq!(catalog.user(&anna.id).await.unwrap().unwrap().role, Role::Administrator);
    let other = catalog.user_by_name("b").await.unwrap().unwrap();
    assert!(catalog.update_user(&other.id, 1, Some(Role::Administrator), None).await.unwrap());
    // Each would leave the other: one of them has to stay, or the attempt fails as a whole.
    let (one, two) = tokio::join!(
        catalog.update_user(&anna.id, 1, Some(Role::Viewer), None),
        catalog.update_user(&other.id, 2, Some(Role::Viewer), None)
    );
    assert!(!(matches!(one, Ok(true)) && matches!(two, Ok(true))), "{one:?} {two:?}");
    assert_ne!(store.sql("SELECT count(*) FROM users WHERE role = 'administrator'"), "0");
    assert!(!catalog.delete_user("nobody", 1).await.unwrap());
}

async fn sessions_end_and_tokens_are_found_by_their_hash(store: Store) {
    let catalog = store.open().await;
    let anna = catalog.create_user(&user("Anna", Role::Administrator), at(0)).await.unwrap();
    let other = catalog.create_user(&user("Otto", Role::Viewer), at(0)).await.unwrap();
    let tokens = [Token::new("").unwrap(), Token::new("").unwrap(), Token::new("").unwrap()];
    let mut sessions = Vec::new();
    for (number, token) in (0..).zip(&tokens) {
        let new = NewSession { user_id: &anna.id, token, address: "::1", user_agent: "x" };
        sessions.push(catalog.create_session(&new, at(number)).await.unwrap());
    }
    assert_eq!(catalog.session_by_token(&tokens[1]).await.unwrap().unwrap().id, sessions[1].id);
    assert!(catalog.session_by_token(&Token::shown("guess")).await.unwrap().is_none());
    assert!(!catalog.delete_session(&other.id, &sessions[0].id).await.unwrap());
    assert!(catalog.delete_session(&anna.id, &sessions[0].id).await.unwrap());
    catalog.touch_session(&sessions[2].id, at(100)).await.unwrap();
    let (idle, longest) = (SignedDuration::from_secs(50), SignedDuration::from_secs(1000));
    catalog.forget_expired(at(120), idle, longest).await.unwrap();
    let left: Vec<String> =
        catalog.sessions_of(&anna.id).await.unwrap().into_iter().map(|session| session.id).collect();
    assert_eq!(left, [sessions[2].id.clone()]);
    let new = NewSession { user_id: &anna.id, token: &tokens[0], address: "::1", user_agent: "x" };
    let kept = catalog.create_session(&new, at(121)).await.unwrap();
    let keep = Keep { session: Some(&kept.id), tokens: true };
    catalog.set_password(&anna.id, "$argon2id$y", keep).await.unwrap();
    assert_eq!(catalog.sessions_of(&anna.id).await.unwrap().len(), 1);

    let token = Token::new("dbk_").unwrap();
    let scopes = [Permission::View, Permission::Operate];
    let new = NewApiToken { user_id: &anna.id, name: "ci", token: &token, scopes: &scopes, expires_at: Some(at(9)) };
    let made = catalog.create_api_token(&new, at(0)).await.unwrap().unwrap();
    catalog.touch_api_token(&made.id, at(5)).await.unwrap();
    let found = catalog.api_token_by_token(&token).await.unwrap().unwrap();
    assert_eq!((found.scopes, found.last_used_at), (scopes.to_vec(), Some(at(5).into())));
    assert!(catalog.api_tokens(Some(&other.id)).await.unwrap().is_empty());
    assert!(!catalog.delete_api_token(Some(&other.id), &made.id).await.unwrap());
    // Whoever goes takes everything along.
    catalog.create_user(&user("Second", Role::Administrator), at(0)).await.unwrap();
    let revision = catalog.user(&anna.id).await.unwrap().unwrap().revision;
    assert!(catalog.delete_user(&anna.id, revision).await.unwrap());
    assert!(catalog.api_token_by_token(&token).await.unwrap().is_none());
    assert!(catalog.session_by_token(&tokens[0]).await.unwrap().is_none());

    for number in 0..5 {
        let detail = number.to_string();
        let entry = NewAuditEntry { actor: "a", refused: number == 3, detail: &detail, ..NewAuditEntry::default() };
        catalog.add_audit_entry(&entry, at(number)).await.unwrap();
    }
    let pages =
        all_pages(async |page| catalog.audit_entries(&AuditFilter::default(), &page).await, |entry| entry.id.clone())
            .await;
    let mut sorted = pages.clone();
    sorted.sort_unstable_by(|one, other| other.cmp(one));
    assert_eq!((pages.len(), &pages), (5, &sorted));
    assert_eq!(store.sql("SELECT detail FROM audit WHERE outcome = 'refused'"), "3");
}

async fn the_audit_log_is_filtered_by_who_what_on_what_when_and_its_outcome(store: Store) {
    let catalog = store.open().await;
    let anna = NewAuditEntry { user: "anna", event: "job.run", object_id: "1", ..NewAuditEntry::default() };
    let entries = [
        anna,
        NewAuditEntry { token: "ci", event: "job.update", object_name: "shop", ..anna },
        NewAuditEntry { user: "otto", event: "jobs.run", refused: true, object_id: "2", ..anna },
    ];
    for (number, entry) in (0..).zip(entries) {
        catalog.add_audit_entry(&NewAuditEntry { detail: &number.to_string(), ..entry }, at(number)).await.unwrap();
    }
    let text = |text: &str| Some(text.to_owned());
    let all = AuditFilter::default;
    for (filter, expected) in [
        (all(), "210"),
        (AuditFilter { user: text("anna"), ..all() }, "10"),
        (AuditFilter { token: text("ci"), ..all() }, "1"),
        (AuditFilter { event: text("job"), ..all() }, "10"),
        (AuditFilter { event: text("job.run"), ..all() }, "0"),
        (AuditFilter { event: text("job.%"), ..all() }, ""),
        (AuditFilter { object: text("shop"), ..all() }, "1"),
        (AuditFilter { object: text("2"), ..all() }, "2"),
        (AuditFilter { since: Some(at(1)), until: Some(at(2)), ..all() }, "1"),
        (AuditFilter { refused: Some(true), ..all() }, "2"),
        (AuditFilter { refused: Some(false), user: text("otto"), ..all() }, ""),
    ] {
        let page = PageRequest { after: None, limit: 10 };
        let found = catalog.audit_entries(&filter, &page).await.unwrap().items;
        let found: String = found.into_iter().map(|entry| entry.detail).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
}

async fn credentials_of_a_user_are_bounded_and_end_with_the_password(store: Store) {
    let catalog = store.open().await;
    let anna = catalog.create_user(&user("Anna", Role::Administrator), at(0)).await.unwrap();
    let other = catalog.create_user(&user("Other", Role::Viewer), at(0)).await.unwrap();
    let make = async |owner: &str, second: i64| {
        let token = Token::new("").unwrap();
        let new =
            NewApiToken { user_id: owner, name: "x", token: &token, scopes: &[Permission::View], expires_at: None };
        let made = catalog.create_api_token(&new, at(second)).await.unwrap();
        let session = NewSession { user_id: owner, token: &token, address: "", user_agent: "" };
        catalog.create_session(&session, at(second)).await.unwrap();
        made
    };
    for second in 0..MAX_TOKENS_PER_USER {
        assert!(make(&anna.id, second).await.is_some());
    }
    assert!(make(&anna.id, 100).await.is_none() && make(&other.id, 0).await.is_some());
    let sessions = catalog.sessions_of(&anna.id).await.unwrap();
    assert_eq!(sessions.len() as i64, MAX_SESSIONS_PER_USER);
    assert!(sessions.iter().all(|session| session.last_seen_at.0 > at(0)));
    assert!(sessions.iter().any(|session| session.last_seen_at.0 == at(100)));

    let mark = catalog.device_mark(&anna.id).unwrap();
    assert!(catalog.is_device_mark(&anna.id, &mark) && !catalog.is_device_mark(&other.id, &mark));
    assert!(!catalog.is_device_mark(&anna.id, "made up"));

    catalog.set_password(&anna.id, "$argon2id$y", Keep::default()).await.unwrap();
    assert!(catalog.sessions_of(&anna.id).await.unwrap().is_empty());
    assert!(catalog.api_tokens(Some(&anna.id)).await.unwrap().is_empty());
    assert_eq!(catalog.api_tokens(Some(&other.id)).await.unwrap().len(), 1);
}
