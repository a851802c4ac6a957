//! OAuth flows and download links are taken once.

use catalog::{DownloadLink, NewAuthorization, NewDownloadLink, NewUser, Token};
use domain::access::Role;
use secrecy::{ExposeSecret, SecretString};

use crate::on_both;
use crate::store::{Store, at, destination};

on_both!(nobody_gets_a_second_one);

async fn nobody_gets_a_second_one(store: Store) {
    let catalog = store.open().await;
    let destination = catalog.create_destination(&destination("d"), at(0)).await.unwrap();
    let (state, verifier) = (Token::new("").unwrap(), SecretString::from("the-pkce-verifier"));
    let new = NewAuthorization {
        state: &state,
        destination_id: &destination.id,
        credential: "c",
        mode: "redirect",
        verifier: &verifier,
        expires_at: at(600),
    };
    catalog.create_authorization(&new, at(0)).await.unwrap();
    assert!(catalog.take_authorization(&Token::shown("guess")).await.unwrap().is_none());
    let (one, other) = tokio::join!(catalog.take_authorization(&state), catalog.take_authorization(&state));
    let taken: Vec<_> = [one.unwrap(), other.unwrap()].into_iter().flatten().collect();
    assert_eq!(taken.len(), 1);
    assert_eq!((taken[0].verifier.expose_secret(), taken[0].credential.as_str()), ("the-pkce-verifier", "c"));

    let new_user = NewUser { name: "Anna".to_owned(), role: Role::Administrator, password_hash: String::new() };
    let anna = catalog.create_user(&new_user, at(0)).await.unwrap();
    let token = Token::new("").unwrap();
    let link = DownloadLink {
        user_id: anna.id.clone(),
        destination_id: destination.id.clone(),
        path: "j/b".to_owned(),
        raw: true,
        expires_at: at(60).into(),
    };
    catalog.create_download_link(&NewDownloadLink { token: &token, link: &link }).await.unwrap();
    assert!(catalog.take_download_link(&token, "somebody else", at(1)).await.unwrap().is_none());
    assert!(catalog.take_download_link(&token, &anna.id, at(60)).await.unwrap().is_none());
    let (one, other) = tokio::join!(
        catalog.take_download_link(&token, &anna.id, at(2)),
        catalog.take_download_link(&token, &anna.id, at(2))
    );
    let taken: Vec<_> = [one.unwrap(), other.unwrap()].into_iter().flatten().collect();
    assert_eq!((taken.len(), taken[0].raw, taken[0].path.as_str()), (1, true, "j/b"));

    catalog.create_authorization(&new, at(0)).await.unwrap();
    let long = jiff::SignedDuration::from_hours(1);
    catalog.forget_expired(at(601), long, long).await.unwrap();
    assert!(catalog.take_authorization(&state).await.unwrap().is_none());
}
