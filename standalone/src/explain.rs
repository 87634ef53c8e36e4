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
    members: Vec<Member>,
    next: String,
}

#[derive(Deserialize)]
struct Member {
    user_id: String,
    state: String,
    delivered_seq: u64,
    read_seq: u64,
    devices: Vec<Device>,
    waits_for: Option<String>,
}

#[derive(Deserialize)]
struct Device {
    gateway: String,
    connection_id: String,
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
    format!(
        "stored    {stored} at {conversation_id}:{seq} of {head}\n\
         entry     {id} ({kind}) by {sender}, client id {client_id}\n"
    )
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
        let _ = write!(line, "; at {} as {}", device.gateway, device.connection_id);
    }
    if let Some(waits_for) = &member.waits_for {
        let _ = write!(line, "; waits for {waits_for}");
    }
    line + "\n"
}
