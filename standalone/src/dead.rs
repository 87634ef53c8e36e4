//! `tidings dead`: frames that were put aside, listed, shown, replayed and dropped.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use prost::Message as _;
use proto::bus::FrameBatch;
use reqwest::Method;
use serde::Deserialize;

use crate::admin::{Server, ServerArguments};
use crate::config::TidingsConfig;
use crate::moment::utc;

/// Where the server keeps them.
const PATH: &str = "dead-letters";

/// What to do with dead letters.
#[derive(Debug, Args)]
pub struct DeadArguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// One line for each, the newest first.
    List,
    /// Everything about one.
    Show {
        /// As `list` names it.
        id: String,
        /// Also what its sender wrote.
        #[arg(long)]
        content: bool,
    },
    /// Works on one once more; when it does harm again, it is back.
    Replay {
        /// As `list` names it.
        id: String,
    },
    /// Throws one away.
    Drop {
        /// As `list` names it.
        id: String,
    },
}

#[derive(Deserialize)]
struct Page {
    letters: Vec<Letter>,
    next: String,
}

#[derive(Deserialize)]
struct Letter {
    id: String,
    kind: String,
    reason: String,
    partition: u32,
    user_id: String,
    conversation_id: Option<String>,
    client_id: Option<String>,
    times: u64,
    first_at: u64,
    last_at: u64,
    body_bytes: u64,
    body: Option<String>,
}

/// Does it; the lines to print.
pub async fn dead(arguments: DeadArguments, config: &TidingsConfig) -> Result<String> {
    let server = Server::new(arguments.server, config)?;
    match arguments.action {
        Action::List => list(&server).await,
        Action::Show { id, content } => show(&server.get(&[PATH, &id], &[]).await?, content),
        Action::Replay { id } => {
            server.tell(Method::POST, &[PATH, &id, "replay"]).await?;
            Ok("it is on its way; `tidings dead list` shows it again if it does harm again\n"
                .to_owned())
        }
        Action::Drop { id } => {
            server.tell(Method::DELETE, &[PATH, &id]).await?;
            Ok("it is gone\n".to_owned())
        }
    }
}

async fn list(server: &Server) -> Result<String> {
    let (mut text, mut after) = (String::new(), String::new());
    loop {
        let page: Page = server.get(&[PATH], &[("after", &after)]).await?;
        for letter in &page.letters {
            let Letter { id, user_id, times, reason, .. } = letter;
            let (at, from) = (utc(letter.last_at), if user_id.is_empty() { "-" } else { user_id });
            // Writing to a String does not fail.
            let _ = writeln!(text, "{id}  {at}  {times} x  {from}  {reason}");
        }
        if page.next.is_empty() {
            return Ok(if text.is_empty() { "no dead letters\n".to_owned() } else { text });
        }
        after = page.next;
    }
}

fn show(letter: &Letter, with_content: bool) -> Result<String> {
    let none = || "-".to_owned();
    let mut text = format!(
        "id            {}\nkind          {}, {} bytes\nreason        {}\nput aside     {} times, first {}, last {}\n\
         partition     {}\nuser          {}\nconversation  {}\nclient id     {}\n",
        letter.id,
        letter.kind,
        letter.body_bytes,
        letter.reason,
        letter.times,
        utc(letter.first_at),
        utc(letter.last_at),
        letter.partition,
        letter.user_id,
        letter.conversation_id.clone().unwrap_or_else(none),
        letter.client_id.clone().unwrap_or_else(none),
    );
    if with_content {
        let body = STANDARD.decode(letter.body.as_deref().unwrap_or_default());
        let body = body.context("an answer that cannot be read")?;
        // Writing to a String does not fail.
        let _ = match FrameBatch::decode(&body[..]) {
            Ok(batch) if letter.kind == "frame" => writeln!(text, "{batch:#?}"),
            _ => writeln!(text, "{}", body.escape_ascii()),
        };
    }
    Ok(text)
}
