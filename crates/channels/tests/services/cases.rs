//! What each service is set to, and what it gets for the message of the tests.

/// A secret, in the place of each service's own.
pub(crate) const SECRET: &str = "secret-0123456789";

/// A service.
#[derive(Clone, Copy)]
pub(crate) struct Case<'a> {
    pub(crate) id: &'static str,
    /// `{server}` is the capture server.
    pub(crate) settings: &'static [(&'static str, &'static str)],
    /// `{secret}` is [`SECRET`].
    pub(crate) secrets: &'a [(&'a str, &'a str)],
    pub(crate) uri: &'static str,
    pub(crate) headers: &'static [(&'static str, &'static str)],
    pub(crate) body: &'static str,
    /// JSON pointers, maximum lengths in UTF-16 units, and whether a longer text is cut to just that.
    pub(crate) limits: &'static [(&'static str, usize, bool)],
    /// Maximum length in bytes of the body.
    pub(crate) max_body: usize,
    /// A JSON pointer, and what is there if the cause is gone.
    pub(crate) resolved: Option<(&'static str, &'static str)>,
}

pub(crate) const CASES: &[Case<'static>] = &[
    Case {
        id: "slack",
        settings: &[],
        secrets: &[("url", "{server}/services/T1/B1/{secret}")],
        uri: "/services/T1/B1/{secret}",
        headers: &[],
        body: r#"{
            "text": "Backup of &lt;shop&gt; failed @everyone (backup-1 · 2026-11-27T02:00:00Z)",
            "blocks": [
                {"type": "header", "text": {"type": "plain_text", "text": "Backup of <shop> failed @everyone", "emoji": false}},
                {"type": "section", "text": {"type": "plain_text", "emoji": false, "text":
                    "The disk of db_1 is full & \"slow\".\n\nFree space.\n\nJob: Nightly\n\nbackup-1 · 2026-11-27T02:00:00Z"}},
                {"type": "context", "elements": [{"type": "mrkdwn", "text":
                    "<https://backup.example.com/runs/1?a=1&amp;b=2|Open in dbackup>"}]}
            ]}"#,
        limits: &[("/blocks/0/text/text", 150, true), ("/blocks/1/text/text", 3000, true), ("/text", 3000, true)],
        max_body: 40_000,
        resolved: None,
    },
    Case {
        id: "discord",
        settings: &[],
        secrets: &[("url", "{server}/api/webhooks/1/{secret}?thread_id=5")],
        uri: "/api/webhooks/1/{secret}?thread_id=5&wait=true",
        headers: &[],
        body: r#"{
            "allowed_mentions": {"parse": []},
            "embeds": [{
                "title": "Backup of \\<shop\\> failed \\@everyone",
                "description": "The disk of db\\_1 is full & \"slow\".\n\nFree space.\n\nJob: Nightly\n\nbackup\\-1 · 2026\\-11\\-27T02:00:00Z",
                "color": 14232864,
                "timestamp": "2026-11-27T02:00:00Z",
                "url": "https://backup.example.com/runs/1?a=1&b=2"
            }]}"#,
        limits: &[("/embeds/0/title", 256, true), ("/embeds/0/description", 4096, true)],
        max_body: 40_000,
        resolved: Some(("/embeds/0/color", "1226602")),
    },
    Case {
        id: "teams",
        settings: &[],
        secrets: &[("url", "{server}/workflows/1/triggers/manual/paths/invoke?api-version=1&sig={secret}")],
        uri: "/workflows/1/triggers/manual/paths/invoke?api-version=1&sig={secret}",
        headers: &[],
        body: r#"{
            "type": "message",
            "attachments": [{
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": null,
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.4",
                    "body": [
                        {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": "Backup of <shop> failed @everyone",
                            "size": "large", "weight": "bolder", "color": "attention"}]},
                        {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": "The disk of db_1 is full & \"slow\".\n\nFree space."}]},
                        {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": "Job: Nightly"}]},
                        {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": "backup-1 · 2026-11-27T02:00:00Z"}]}
                    ],
                    "actions": [{"type": "Action.OpenUrl", "title": "Open in dbackup", "url": "https://backup.example.com/runs/1?a=1&b=2"}]
                }
            }]}"#,
        limits: &[("/attachments/0/content/body/1/inlines/0/text", 10_000, false)],
        max_body: 21_000,
        resolved: Some(("/attachments/0/content/body/0/inlines/0/color", "\"good\"")),
    },
    Case {
        id: "telegram",
        settings: &[("server", "{server}"), ("chatId", "-100123")],
        secrets: &[("token", "{secret}")],
        uri: "/bot{secret}/sendMessage",
        headers: &[],
        body: r#"{
            "chat_id": "-100123",
            "parse_mode": "HTML",
            "text": "<b>Backup of &lt;shop&gt; failed @everyone</b>\n\nThe disk of db_1 is full &amp; \"slow\".\n\nFree space.\n\nJob: Nightly\n\nbackup-1 · 2026-11-27T02:00:00Z\n\n<a href=\"https://backup.example.com/runs/1?a=1&amp;b=2\">Open in dbackup</a>",
            "link_preview_options": {"is_disabled": true}
        }"#,
        limits: &[("/text", 4096, true)],
        max_body: 40_000,
        resolved: None,
    },
    Case {
        id: "ntfy",
        settings: &[("server", "{server}")],
        secrets: &[("topic", "{secret}"), ("token", "tk_{secret}")],
        uri: "/",
        headers: &[("authorization", "Bearer tk_{secret}")],
        body: r#"{
            "topic": "{secret}",
            "title": "Backup of <shop> failed @everyone",
            "message": "The disk of db_1 is full & \"slow\".\n\nFree space.\n\nJob: Nightly\n\nbackup-1 · 2026-11-27T02:00:00Z",
            "priority": 5,
            "tags": ["rotating_light"],
            "click": "https://backup.example.com/runs/1?a=1&b=2"
        }"#,
        limits: &[("/title", 250, true), ("/message", 4096, false)],
        max_body: 32_768,
        resolved: Some(("/tags/0", "\"white_check_mark\"")),
    },
    Case {
        id: "gotify",
        settings: &[("server", "{server}/push/")],
        secrets: &[("token", "{secret}")],
        uri: "/push/message",
        headers: &[("x-gotify-key", "{secret}")],
        body: r#"{
            "title": "Backup of <shop> failed @everyone",
            "message": "The disk of db_1 is full & \"slow\".\n\nFree space.\n\nJob: Nightly\n\nbackup-1 · 2026-11-27T02:00:00Z",
            "priority": 8,
            "extras": {
                "client::display": {"contentType": "text/plain"},
                "client::notification": {"click": {"url": "https://backup.example.com/runs/1?a=1&b=2"}}
            }
        }"#,
        limits: &[("/title", 250, true), ("/message", 10_000, true)],
        max_body: 60_000,
        resolved: Some(("/priority", "5")),
    },
    Case {
        id: "pushover",
        settings: &[("server", "{server}")],
        secrets: &[("token", "{secret}"), ("userKey", "user-{secret}")],
        uri: "/1/messages.json",
        headers: &[],
        body: r#"{
            "token": "{secret}",
            "user": "user-{secret}",
            "title": "Backup of <shop> failed @everyone",
            "message": "The disk of db_1 is full & \"slow\".\n\nFree space.\n\nJob: Nightly\n\nbackup-1 · 2026-11-27T02:00:00Z",
            "priority": 1,
            "timestamp": 1795744800,
            "url": "https://backup.example.com/runs/1?a=1&b=2",
            "url_title": "Open in dbackup"
        }"#,
        limits: &[("/title", 250, true), ("/message", 1024, true)],
        max_body: 10_000,
        resolved: Some(("/priority", "0")),
    },
    Case {
        id: "pagerduty",
        settings: &[("server", "{server}")],
        secrets: &[("routingKey", "{secret}")],
        uri: "/v2/enqueue",
        headers: &[],
        body: r#"{
            "routing_key": "{secret}",
            "event_action": "trigger",
            "dedup_key": "job-1",
            "client": "dbackup",
            "client_url": "https://backup.example.com/runs/1?a=1&b=2",
            "links": [{"href": "https://backup.example.com/runs/1?a=1&b=2", "text": "Open in dbackup"}],
            "payload": {
                "summary": "Backup of <shop> failed @everyone",
                "source": "backup-1",
                "severity": "critical",
                "timestamp": "2026-11-27T02:00:00Z",
                "class": "backup.failed",
                "custom_details": {"Job": "Nightly", "text": "The disk of db_1 is full & \"slow\".\n\nFree space."}
            }
        }"#,
        limits: &[("/payload/summary", 1024, true), ("/dedup_key", 255, false)],
        max_body: 512_000,
        resolved: Some(("/event_action", "\"resolve\"")),
    },
    Case {
        id: "apprise",
        settings: &[("tag", "ops")],
        secrets: &[("url", "{server}/notify/{secret}")],
        uri: "/notify/{secret}",
        headers: &[],
        body: r#"{
            "title": "Backup of <shop> failed @everyone",
            "body": "The disk of db_1 is full & \"slow\".\n\nFree space.\n\nJob: Nightly\n\nbackup-1 · 2026-11-27T02:00:00Z\n\nhttps://backup.example.com/runs/1?a=1&b=2",
            "type": "failure",
            "format": "text",
            "tag": "ops"
        }"#,
        limits: &[("/title", 250, true), ("/body", 13_000, false)],
        max_body: 60_000,
        resolved: Some(("/type", "\"success\"")),
    },
];
