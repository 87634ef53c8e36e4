//! `tidings explain`: what became of a message, asked of a running server and told in lines.

use std::fmt::Write as _;

use anyhow::Result;
use clap::Args;
use serde::Deserialize;

use crate::admin::{Server, ServerArguments};
use crate::config::TidingsConfig;
use crate::moment::utc;

/// Which message, and which server.
#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// `conversation:seq`, the id of the entry, or the client id of the operation that wrote it.
    message: String,
    /// Only what concerns this user.
    #[arg(long)]
    user: Option<String>,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Deserialize)]
struct Explanation {
    conversation_id: String,
    seq: u64,
    id: String,
    client_id: String,
    sender: String,
    kind: String,
    stored_at: u64,
    head: u64,
    pushes: Vec<Push>,
    pushes_unknown: Option<String>,
    pushes_since: u64,
    #[serde(default)]
    followers: Vec<Follower>,
    members: Vec<Member>,
    next: String,
}

#[derive(Deserialize)]
struct Push {
    gateway: Option<String>,
    at: u64,
    outcome: String,
    connections: u32,
    is_answered: bool,
}

#[derive(Deserialize)]
struct Member {
    user_id: String,
    state: String,
    delivered_seq: u64,
    read_seq: u64,
    devices: Vec<Device>,
    offline_push: Option<OfflinePush>,
    waits_for: Option<String>,
}

#[derive(Deserialize)]
struct OfflinePush {
    rule: String,
    action: String,
    devices: Vec<PushDevice>,
}

#[derive(Deserialize)]
struct PushDevice {
    device_id: String,
    provider: String,
    state: String,
    #[serde(default)]
    reason: String,
    attempts: Option<u32>,
    at: Option<u64>,
    next_attempt_at: Option<u64>,
    seq: Option<u64>,
}

#[derive(Deserialize)]
struct Follower {
    name: String,
    state: String,
    attempt: Option<u32>,
    next_attempt_at: Option<u64>,
    #[serde(default)]
    error: String,
}

#[derive(Deserialize)]
struct Device {
    gateway: String,
    connection_id: String,
    is_connected: bool,
    written_after: Option<u64>,
    written_at: Option<u64>,
    not_written: Option<String>,
}

/// The lines to print.
pub async fn explain(arguments: ExplainArguments, config: &TidingsConfig) -> Result<String> {
    let ExplainArguments { message, user, server } = arguments;
    let server = Server::new(server, config)?;
    let (mut text, mut after) = (String::new(), String::new());
    loop {
        let mut query = vec![("message", message.as_str()), ("after", &after)];
        query.extend(user.as_deref().map(|user| ("user", user)));
        let page: Explanation = server.get(&["explain"], &query).await?;
        if text.is_empty() {
            text = head(&page);
        }
        for member in &page.members {
            text += &line(&page, member);
        }
        if page.next.is_empty() {
            return Ok(text);
        }
        after = page.next;
    }
}

fn head(page: &Explanation) -> String {
    let Explanation { conversation_id, seq, id, client_id, sender, kind, head, .. } = page;
    let stored = utc(page.stored_at);
    let mut text = format!(
        "stored    {stored} at {conversation_id}:{seq} of {head}\n\
         entry     {id} ({kind}) by {sender}, client id {client_id}\n"
    );
    for push in &page.pushes {
        text += &pushed(push);
    }
    if let Some(unknown) = &page.pushes_unknown {
        let since = match page.pushes_since {
            0 => String::new(),
            since => format!(" (it remembers since {})", utc(since)),
        };
        // Writing to a String does not fail.
        let _ = writeln!(text, "pushed    {unknown}{since}");
    }
    for follower in &page.followers {
        text += &told(follower);
    }
    text
}

/// What becomes of it for other systems.
fn told(follower: &Follower) -> String {
    let mut text = format!("told      {}: {}", follower.name, follower.state);
    if let Some(attempt) = follower.attempt {
        // Writing to a String does not fail.
        let _ = write!(text, " after attempt {attempt}");
    }
    if let Some(at) = follower.next_attempt_at {
        let _ = write!(text, ", tried again at {}", utc(at));
    }
    if !follower.error.is_empty() {
        let _ = write!(text, " ({})", follower.error);
    }
    text + "\n"
}

fn pushed(push: &Push) -> String {
    let at = utc(push.at);
    let Some(gateway) = &push.gateway else {
        let why = match push.outcome.as_str() {
            "postponed" => "presence did not answer, or it was late; heads are told later",
            _ => "nobody else was connected",
        };
        return format!("pushed    {at} to no gateway: {why}\n");
    };
    let whom = match push.connections {
        0 => "its members there".to_owned(),
        1 => "1 connection".to_owned(),
        many => format!("{many} connections"),
    };
    let outcome = match push.outcome.as_str() {
        "confirmed" => "taken by the broker",
        "gone" => "came back, this gateway was gone; heads are told later",
        _ => "given up, its queue did not take it; heads are told later",
    };
    let silent = if push.is_answered || push.outcome == "gone" {
        ""
    } else {
        "; what it wrote is not remembered: it is gone or does not answer"
    };
    format!("pushed    {at} to {gateway} for {whom}: {outcome}{silent}\n")
}

fn written(device: &Device) -> String {
    let mut text = format!("; at {} as {}", device.gateway, device.connection_id);
    if !device.is_connected {
        text += ", gone since";
    }
    let written = match (device.written_after, device.written_at) {
        (Some(after), Some(at)) if after < at => {
            format!(", written between {} and {}", utc(after), utc(at))
        }
        (_, Some(at)) => format!(", written {}", utc(at)),
        (_, None) => String::new(),
    };
    text += &written;
    if let Some(not_written) = &device.not_written {
        text += ", ";
        text += not_written;
    }
    text
}

/// What offline push makes of it, for a member.
fn offline(page: &Explanation, push: &OfflinePush) -> String {
    let mut text = format!("; offline push by rule {}: {}", push.rule, push.action);
    if push.devices.is_empty() {
        text += ", no device is registered";
    }
    // Writing to a String does not fail.
    for device in &push.devices {
        let _ = write!(text, ", {} ({}) {}", device.device_id, device.provider, device.state);
        if let Some(at) = device.at {
            let _ = write!(text, " {}", utc(at));
        }
        if let Some(attempts) = device.attempts {
            let _ = write!(text, " after attempt {attempts}");
        }
        if let Some(at) = device.next_attempt_at {
            let _ = write!(text, ", tried again at {}", utc(at));
        }
        if let Some(seq) = device.seq.filter(|seq| *seq != page.seq) {
            let _ = write!(text, " with that of {seq}");
        }
        if !device.reason.is_empty() {
            let _ = write!(text, " [{}]", device.reason);
        }
    }
    text
}

fn line(page: &Explanation, member: &Member) -> String {
    let mut line = format!("{:<12}  ", member.state);
    if member.user_id == page.sender {
        line += "sender ";
    }
    // Writing to a String does not fail.
    let _ = write!(
        line,
        "{}: delivered up to {}, read up to {}",
        member.user_id, member.delivered_seq, member.read_seq
    );
    for device in &member.devices {
        line += &written(device);
    }
    if let Some(push) = &member.offline_push {
        line += &offline(page, push);
    }
    if let Some(waits_for) = &member.waits_for {
        let _ = write!(line, "; waits for {waits_for}");
    }
    line + "\n"
}
