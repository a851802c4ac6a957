//! Requests with a key are carried out once, and their answers are bounded and sealed.

use catalog::{Catalog, KeyedRequest, MAX_KEYS_PER_USER, NewUser, RequestKey};
use domain::access::Role;
use secrecy::ExposeSecret;

use crate::on_both;
use crate::store::{Store, at};

on_both!(a_request_with_a_key_is_begun_once_and_answered_again, answers_are_sealed_and_bounded);

async fn user(catalog: &Catalog, name: &str) -> String {
    let new = NewUser { name: name.to_owned(), role: Role::Operator, password_hash: String::new() };
    catalog.create_user(&new, at(0)).await.unwrap().id
}

async fn a_request_with_a_key_is_begun_once_and_answered_again(store: Store) {
    let catalog = store.open().await;
    let (anna, otto) = (user(&catalog, "anna").await, user(&catalog, "otto").await);
    let key = RequestKey { user_id: &anna, key: "k" };
    let (one, other) = tokio::join!(catalog.begin_keyed(key, "run 1", at(0)), catalog.begin_keyed(key, "run 1", at(0)));
    let begun = [one.unwrap(), other.unwrap()];
    assert_eq!(begun.iter().filter(|begun| matches!(begun, KeyedRequest::New)).count(), 1, "{begun:?}");
    assert_eq!(begun.iter().filter(|begun| matches!(begun, KeyedRequest::Running)).count(), 1, "{begun:?}");
    assert!(matches!(catalog.begin_keyed(key, "run 2", at(1)).await.unwrap(), KeyedRequest::Other));
    assert!(matches!(catalog.begin_keyed(key, "run 1", at(1200)).await.unwrap(), KeyedRequest::CutOff));
    catalog.finish_keyed(key, &"accepted".into()).await.unwrap();
    let KeyedRequest::Answered(answer) = catalog.begin_keyed(key, "run 1", at(2)).await.unwrap() else { panic!() };
    assert_eq!(answer.expose_secret(), "accepted");
    catalog.forget_keyed(key).await.unwrap();
    assert!(matches!(catalog.begin_keyed(key, "run 1", at(2)).await.unwrap(), KeyedRequest::Answered(_)));
    assert!(matches!(catalog.begin_keyed(key, "run 2", at(2)).await.unwrap(), KeyedRequest::Other));
    let ottos = RequestKey { user_id: &otto, key: "k" };
    assert!(matches!(catalog.begin_keyed(ottos, "run 1", at(2)).await.unwrap(), KeyedRequest::New));
    catalog.forget_keyed(ottos).await.unwrap();
    assert!(matches!(catalog.begin_keyed(ottos, "run 2", at(2)).await.unwrap(), KeyedRequest::New));
    assert!(
        matches!(catalog.begin_keyed(key, "run 2", at(86_401)).await.unwrap(), KeyedRequest::New),
        "a day has passed"
    );
}

async fn answers_are_sealed_and_bounded(store: Store) {
    let catalog = store.open().await;
    let anna = user(&catalog, "anna").await;
    // As many as are kept, and more.
    let fill = format!(
        "WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < {}) \
         INSERT INTO idempotency_keys (id, user_id, request, secret_answer, created_at) \
         SELECT 'x' || i, '{anna}', 'r', 'sealed', {} + i FROM numbers",
        MAX_KEYS_PER_USER + 5,
        at(0).as_millisecond()
    );
    store.sql(&fill);
    let key = RequestKey { user_id: &anna, key: "k" };
    assert!(matches!(catalog.begin_keyed(key, "create", at(60)).await.unwrap(), KeyedRequest::New));
    catalog.finish_keyed(key, &"dbackup_token_hunter2".into()).await.unwrap();
    assert_eq!(store.sql("SELECT count(*) FROM idempotency_keys"), MAX_KEYS_PER_USER.to_string());
    assert_eq!(store.sql("SELECT count(*) FROM idempotency_keys WHERE secret_answer LIKE '%hunter2%'"), "0");
    assert!(matches!(catalog.begin_keyed(key, "create", at(61)).await.unwrap(), KeyedRequest::Answered(_)));
}
