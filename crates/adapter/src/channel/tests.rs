use super::*;

#[test]
fn a_message_survives_storage() {
    let message = Message {
        id: "0190-a".to_owned(),
        event: "backup.failed".to_owned(),
        severity: Severity::Critical,
        state: State::Firing,
        dedup_key: "job-1".to_owned(),
        title: "Backup failed".to_owned(),
        text: vec!["The disk is full.".to_owned()],
        facts: vec![Fact { label: "Job".to_owned(), value: "Nightly".to_owned() }],
        link: Some("https://backup.example.com/runs/1".to_owned()),
        at: "2026-11-27T02:00:00Z".parse().unwrap(),
        server: "backup-1".to_owned(),
        ping: Some(Ping { signal: Signal::Fail, run: "0190-b".to_owned(), log_end: "full".to_owned() }),
    };
    let stored = serde_json::to_value(&message).unwrap();
    assert_eq!(
        (&stored["dedupKey"], &stored["severity"], &stored["ping"]["signal"]),
        (&"job-1".into(), &"critical".into(), &"fail".into())
    );
    assert_eq!(serde_json::from_value::<Message>(stored).unwrap(), message);
}

#[test]
fn a_line_has_no_breaks_and_is_cut_between_characters() {
    assert_eq!(one_line("a\r\nBcc: x\u{2028}b\0", 100), "a Bcc: x b");
    assert_eq!(one_line("ab😀😀", 4), "ab😀😀");
    assert_eq!(one_line("ab😀😀c", 4), "ab😀…");
    assert_eq!(Receipt::new(&"x".repeat(1000)).as_str().chars().count(), 200);
}
