//! `dbackup channels test`, `dbackup notifications outbox`, and what both have in common with other things

use reqwest::Method;
use serde_json::{Value, json};

use super::resources::{self, text};
use crate::cli::{ChannelCommand, NotificationCommand};
use crate::failure::{Failure, Outcome};
use crate::output::{self, Table};
use crate::remote::{Kind, Server};

pub(crate) async fn run_channels(command: ChannelCommand) -> Result<Outcome, Failure> {
    match command {
        ChannelCommand::Resource(command) => resources::run(Kind::Channel, command).await,
        ChannelCommand::Test { name } => test(&name).await,
    }
}

pub(crate) async fn run(command: NotificationCommand) -> Result<Outcome, Failure> {
    match command {
        NotificationCommand::Resource(command) => resources::run(Kind::NotificationRule, command).await,
        NotificationCommand::Outbox { channel, state, limit, json } => {
            outbox(channel.as_deref(), state.as_deref(), limit, json).await
        }
    }
}

async fn test(name: &str) -> Result<Outcome, Failure> {
    let server = Server::of_environment()?;
    let channel = server.find(Kind::Channel, name).await?;
    let path = format!("/api/channels/{}/test", text(&channel["id"]));
    let steps = server.answers(Method::POST, &path, Some(&json!({}))).await?;
    for step in &steps {
        let words = text(if step["message"].is_null() { &step["detail"] } else { &step["message"] });
        output::line(&format!("{} {}", text(&step["result"]), output::printable(&words)));
    }
    let passed = steps.iter().all(|step| step["result"] == "passed");
    Ok(if passed { Outcome::Succeeded } else { Outcome::Failed })
}

async fn outbox(channel: Option<&str>, state: Option<&str>, limit: u16, as_json: bool) -> Result<Outcome, Failure> {
    let server = Server::of_environment()?;
    let channels = server.list(&Kind::Channel.path()).await?;
    let mut path = format!("/api/outbox?limit={limit}");
    if let Some(name) = channel {
        path.push_str(&format!("&channelId={}", text(&server.find(Kind::Channel, name).await?["id"])));
    }
    if let Some(state) = state {
        path.push_str(&format!("&state={state}"));
    }
    let page = server.get(&path).await?;
    let items = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    if as_json {
        items.iter().for_each(output::json);
        return Ok(Outcome::Succeeded);
    }
    let name = |id: &Value| channels.iter().find(|channel| channel["id"] == *id).map(|channel| text(&channel["name"]));
    let mut table = Table::new(["CREATED (UTC)", "CHANNEL", "EVENT", "*STATE", "TITLE"]);
    for item in items {
        let (created, event, state) = (output::moment(&item["createdAt"]), text(&item["event"]), text(&item["state"]));
        let channel = name(&item["channelId"]).unwrap_or_default();
        table.add([created, channel, event, state, text(&item["message"]["title"])]);
    }
    table.print();
    Ok(Outcome::Succeeded)
}
