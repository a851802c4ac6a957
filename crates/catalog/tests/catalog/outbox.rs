//! The outbox, and what each rule has told (S-08).

use catalog::{
    Catalog, Delivery, Error, MAX_WAITING, NewChannel, NewMessage, NewNotificationRule, NewRun, OpenCause,
    OutboxFilter, OutboxMessage, PageRequest, RunEnd, Telling,
};
use domain::notification::{MessageState, Rule};
use domain::outcome::RunStatus;
use domain::run::{BackupSpec, Cause, FailureCode, RunProgress, RunSpec};
use futures_util::future::join_all;
use jiff::SignedDuration;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::on_both;
use crate::store::{Store, at, destination, job, secrets, source};

const LEASE: SignedDuration = SignedDuration::from_secs(60);
const ALL: PageRequest = PageRequest { after: None, limit: 1000 };

on_both!(
    a_channel_keeps_its_secrets_sealed_and_is_not_removed_while_a_rule_uses_it,
    a_message_is_claimed_by_one_and_comes_back_with_its_id_when_its_sender_dies,
    messages_about_the_same_are_delivered_in_their_order,
    a_message_is_written_once_and_too_many_push_out_the_oldest,
    what_a_pass_tells_is_written_once_whoever_judges_at_the_same_time,
    the_end_of_a_run_is_news_until_it_is_forgotten,
);

fn channel(name: &str) -> NewChannel {
    let settings = json!({"type": "webhook", "url": "https://example.com/x"});
    NewChannel {
        name: name.to_owned(),
        settings,
        secrets: secrets(&[("secret", Some("sign-with-this"))]),
        enabled: true,
    }
}

fn message(channel_id: &str, once: &str, cause: &str) -> NewMessage {
    NewMessage {
        channel_id: channel_id.to_owned(),
        rule_id: None,
        once_key: once.to_owned(),
        cause_key: cause.to_owned(),
        event: "failed".to_owned(),
        message: json!({"title": once}),
    }
}

async fn with_channel(store: &Store) -> (Catalog, String) {
    let catalog = store.open().await;
    let id = catalog.create_channel(&channel("Ops"), at(0)).await.unwrap().id;
    (catalog, id)
}

async fn states(catalog: &Catalog) -> Vec<(String, MessageState)> {
    let items = catalog.outbox(&OutboxFilter::default(), &ALL).await.unwrap().items;
    items.into_iter().rev().map(|one| (one.message["title"].as_str().unwrap().to_owned(), one.state)).collect()
}

async fn a_channel_keeps_its_secrets_sealed_and_is_not_removed_while_a_rule_uses_it(store: Store) {
    let (catalog, id) = with_channel(&store).await;
    let made = catalog.channel(&id).await.unwrap().unwrap();
    assert_eq!(catalog.channel_secrets(&made).unwrap()["secret"].expose_secret(), "sign-with-this");
    assert!(!store.sql("SELECT secret_settings FROM channels").contains("sign-with-this"));
    assert!(matches!(catalog.create_channel(&channel(" OPS "), at(1)).await, Err(Error::NameTaken)));
    let rule = NewNotificationRule { name: "All".to_owned(), rule: Rule::of_everything(vec![id.clone()]) };
    let rule = catalog.create_notification_rule(&rule, at(1)).await.unwrap();
    assert!(matches!(catalog.delete_channel(&id, 1).await, Err(Error::Referenced)));
    let nowhere = NewNotificationRule { name: "No".to_owned(), rule: Rule::of_everything(vec!["x".to_owned()]) };
    assert!(matches!(catalog.create_notification_rule(&nowhere, at(1)).await, Err(Error::Referenced)));
    let changed = NewChannel { secrets: secrets(&[]), enabled: false, ..channel("Operators") };
    let changed = catalog.update_channel(&id, 1, &changed, at(2)).await.unwrap().unwrap();
    assert_eq!(
        (changed.enabled, changed.revision, changed.secrets_set.as_slice()),
        (false, 2, &["secret".to_owned()][..])
    );
    assert!(matches!(catalog.update_channel(&id, 1, &channel("x"), at(2)).await, Err(Error::Outdated)));
    assert!(catalog.delete_notification_rule(&rule.id, 1).await.unwrap());
    assert!(catalog.delete_channel(&id, 2).await.unwrap());
}

async fn a_message_is_claimed_by_one_and_comes_back_with_its_id_when_its_sender_dies(store: Store) {
    let (catalog, channel) = with_channel(&store).await;
    let id = catalog.add_message(&message(&channel, "one", "c"), at(0)).await.unwrap().unwrap();
    assert!(catalog.claim_message(at(-1), LEASE).await.unwrap().is_none(), "it is not due");
    let claims = join_all((0..8).map(|_| catalog.claim_message(at(0), LEASE))).await;
    let claims: Vec<OutboxMessage> = claims.into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(claims.iter().map(|one| (&one.id, one.attempts)).collect::<Vec<_>>(), [(&id, 1)]);
    // Its sender crashes: once the lease has expired, another one sends it under the same id.
    assert!(catalog.claim_message(at(3600), LEASE).await.unwrap().is_none());
    store.sql("UPDATE outbox SET lease_until = lease_until - 61000");
    let again = catalog.claim_message(at(1), LEASE).await.unwrap().unwrap();
    assert_eq!((&again.id, again.attempts), (&id, 2));
    // The first sender's failure is no longer of interest, its success is.
    let late = Delivery::GivenUp("no".to_owned());
    assert!(!catalog.record_delivery(&claims[0], &late, at(2)).await.unwrap());
    let delayed = Delivery::Again("busy".to_owned(), at(100));
    assert!(catalog.record_delivery(&again, &delayed, at(2)).await.unwrap());
    let failing = catalog.channel(&channel).await.unwrap().unwrap();
    assert_eq!((failing.failing_since, failing.last_error.as_deref()), (Some(at(2).into()), Some("busy")));
    assert!(catalog.claim_message(at(99), LEASE).await.unwrap().is_none());
    assert!(catalog.record_delivery(&claims[0], &Delivery::Sent(Some("200".to_owned())), at(3)).await.unwrap());
    assert!(catalog.claim_message(at(100), LEASE).await.unwrap().is_none());
    let sent = catalog.outbox_message(&id).await.unwrap().unwrap();
    assert_eq!(
        (sent.state, sent.answer.as_deref(), sent.ended_at),
        (MessageState::Sent, Some("200"), Some(at(3).into()))
    );
    let works = catalog.channel(&channel).await.unwrap().unwrap();
    assert_eq!((works.failing_since, works.last_sent_at), (None, Some(at(3).into())));
    // A process that had the database to itself gives back at its start what the one before had claimed.
    catalog.add_message(&message(&channel, "two", "c"), at(4)).await.unwrap().unwrap();
    catalog.claim_message(at(4), LEASE).await.unwrap().unwrap();
    catalog.release_messages().await.unwrap();
    assert_eq!(catalog.claim_message(at(4), LEASE).await.unwrap().unwrap().attempts, 2);
}

async fn messages_about_the_same_are_delivered_in_their_order(store: Store) {
    let (catalog, channel) = with_channel(&store).await;
    for (once, cause) in [("failed", "a"), ("resolved", "a"), ("other", "b")] {
        catalog.add_message(&message(&channel, once, cause), at(0)).await.unwrap().unwrap();
    }
    let first = catalog.claim_message(at(0), LEASE).await.unwrap().unwrap();
    let second = catalog.claim_message(at(0), LEASE).await.unwrap().unwrap();
    assert_eq!((&first.message["title"], &second.message["title"]), (&json!("failed"), &json!("other")));
    assert!(catalog.claim_message(at(0), LEASE).await.unwrap().is_none());
    catalog.record_delivery(&first, &Delivery::Again("busy".to_owned(), at(60)), at(0)).await.unwrap();
    assert!(catalog.claim_message(at(1), LEASE).await.unwrap().is_none(), "the end never comes before the beginning");
    let first = catalog.claim_message(at(60), LEASE).await.unwrap().unwrap();
    catalog.record_delivery(&first, &Delivery::GivenUp("no".to_owned()), at(60)).await.unwrap();
    let next = catalog.claim_message(at(60), LEASE).await.unwrap().unwrap();
    assert_eq!(next.message["title"], "resolved");
}

async fn a_message_is_written_once_and_too_many_push_out_the_oldest(store: Store) {
    let (catalog, channel) = with_channel(&store).await;
    assert!(catalog.add_message(&message(&channel, "0", "c"), at(0)).await.unwrap().is_some());
    assert!(catalog.add_message(&message(&channel, "0", "c"), at(1)).await.unwrap().is_none());
    for number in 1..=MAX_WAITING {
        catalog.add_message(&message(&channel, &number.to_string(), "c"), at(number)).await.unwrap().unwrap();
    }
    let states = states(&catalog).await;
    assert_eq!(states[0], ("0".to_owned(), MessageState::Dropped));
    assert!(states[1..].iter().all(|(_, state)| *state == MessageState::Waiting));
    let numbers = catalog.channel_numbers().await.unwrap();
    assert_eq!((numbers[0].waiting, numbers[0].failed), (MAX_WAITING, 0));
    // What has ended goes once it is old; what waits stays.
    catalog.trim_outbox(at(100)).await.unwrap();
    let dropped = OutboxFilter { states: vec![MessageState::Dropped], ..OutboxFilter::default() };
    let left = catalog.outbox(&dropped, &ALL).await.unwrap();
    assert!(left.items.is_empty());
    assert_eq!(catalog.channel_numbers().await.unwrap()[0].waiting, MAX_WAITING);
}

async fn what_a_pass_tells_is_written_once_whoever_judges_at_the_same_time(store: Store) {
    let (catalog, channel) = with_channel(&store).await;
    let rule = NewNotificationRule { name: "All".to_owned(), rule: Rule::of_everything(vec![channel.clone()]) };
    let rule = catalog.create_notification_rule(&rule, at(0)).await.unwrap();
    let cause = OpenCause {
        cause_key: "missed".to_owned(),
        trouble: json!({"key": "missed"}),
        opened_at: at(0).into(),
        told: 1,
        told_at: Some(at(0).into()),
        resolved_at: None,
    };
    let telling = Telling {
        open: vec![cause.clone()],
        messages: vec![message(&channel, "opened", "missed")],
        digest_at: Some(at(5)),
        ..Telling::default()
    };
    let told = join_all((0..4).map(|_| catalog.tell(&rule.id, rule.pass, &telling, at(0)))).await;
    assert_eq!(told.into_iter().filter(|told| *told.as_ref().unwrap()).count(), 1);
    assert_eq!(catalog.open_causes(&rule.id).await.unwrap(), [cause]);
    let rule = catalog.notification_rule(&rule.id).await.unwrap().unwrap();
    assert_eq!((rule.pass, rule.digest_at), (1, Some(at(5).into())));
    let closing = Telling { closed: vec!["missed".to_owned()], ..Telling::default() };
    assert!(catalog.tell(&rule.id, 1, &closing, at(1)).await.unwrap());
    assert!(catalog.open_causes(&rule.id).await.unwrap().is_empty());
    assert_eq!(states(&catalog).await.len(), 1);
}

async fn the_end_of_a_run_is_news_until_it_is_forgotten(store: Store) {
    let catalog = store.open().await;
    let source = catalog.create_source(&source("s", None), at(0)).await.unwrap();
    let disk = catalog.create_destination(&destination("disk"), at(0)).await.unwrap();
    let job = catalog.create_job(&job("shop", &source.id, &[&disk.id]), at(0)).await.unwrap();
    let new = NewRun {
        spec: RunSpec::Backup(BackupSpec::default()),
        job_id: Some(job.id.clone()),
        title: "shop".to_owned(),
        cause: Cause::Manual,
        started_by: None,
        slot: None,
        attempt: 0,
    };
    catalog.queue_run(&new, at(1)).await.unwrap();
    assert_eq!(catalog.jobs_in_queue_since(at(2), 10).await.unwrap().len(), 1);
    let claim = catalog.claim_run("w", at(2), LEASE).await.unwrap().unwrap();
    catalog.note_run_started(&claim.run.id, at(2)).await.unwrap();
    let end = RunEnd {
        state: RunStatus::Failed,
        error: Some("the disk is full".to_owned()),
        code: Some(FailureCode::Failed),
        result: None,
        progress: RunProgress::default(),
        technical_details: None,
    };
    assert!(catalog.finish_run(&claim.run.id, claim.fence, &end, at(3)).await.unwrap());
    let news = catalog.run_news(10).await.unwrap();
    let short: Vec<_> = news.iter().map(|news| (news.has_ended, news.state, news.reason.as_deref())).collect();
    assert_eq!(short, [(false, RunStatus::Failed, None), (true, RunStatus::Failed, Some("the disk is full"))]);
    assert!(news[1].failure.is_some() && news[1].job_id.as_ref() == Some(&job.id));
    let failing = catalog.jobs_that_fail(10).await.unwrap();
    assert_eq!((failing.len(), failing[0].failure.as_ref()), (1, news[1].failure.as_ref()));
    assert_eq!(catalog.unprotected_jobs(at(4), at(0), 10).await.unwrap()[0].name, "shop");
    assert!(
        catalog.jobs_with_warnings(10).await.unwrap().is_empty() && catalog.altered_copies().await.unwrap().is_empty()
    );
    catalog.forget_run_news(&news).await.unwrap();
    assert!(catalog.run_news(10).await.unwrap().is_empty());
}
