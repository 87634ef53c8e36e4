//! The end of a run: the database's own account, and the checker's judgement of everything.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use e2e::process::command;
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Row as _};
use uuid::Uuid;

use super::journal::Journal;
use super::postgres;
use super::system::{Service, System};

/// Writes every entry and cursor of the database into the journal.
pub async fn dump(system: &System, journal: &Journal) -> anyhow::Result<u64> {
    let mut database = postgres::connect(&system.postgres, postgres::DATABASE).await?;
    let entries = sqlx::query(
        "SELECT conversation_id, seq, id, client_id, kind, sender_id, content::json ->> 'text' AS text
         FROM entries ORDER BY conversation_id, seq",
    )
    .fetch_all(&mut database)
    .await?;
    for entry in &entries {
        // What is no message of a client.
        let is_system = entry.try_get::<String, _>("kind")? != "text";
        let client_id: Option<Uuid> = entry.try_get("client_id")?;
        journal.write(json!({
            "e": "row",
            "conversation": entry.try_get::<Uuid, _>("conversation_id")?,
            "seq": entry.try_get::<i64, _>("seq")?,
            "id": entry.try_get::<Uuid, _>("id")?,
            "cid": client_id.filter(|_| !is_system),
            "system": is_system,
            "sender": entry.try_get::<String, _>("sender_id")?,
            "text": entry.try_get::<Option<String>, _>("text")?.unwrap_or_default(),
        }))?;
    }
    let cursors =
        sqlx::query("SELECT conversation_id, user_id, delivered_seq, read_seq FROM members")
            .fetch_all(&mut database)
            .await?;
    for cursor in &cursors {
        journal.write(json!({
            "e": "cursor_row",
            "conversation": cursor.try_get::<Uuid, _>("conversation_id")?,
            "user": cursor.try_get::<String, _>("user_id")?,
            "delivered": cursor.try_get::<i64, _>("delivered_seq")?,
            "read": cursor.try_get::<i64, _>("read_seq")?,
        }))?;
    }
    journal.write(json!({ "e": "rows_end" }))?;
    Ok(entries.len() as u64)
}

/// What the chat service itself says of states, which it folds from the logs and compares with what is stored: nothing when
/// they are the same.
pub async fn folded(system: &System) -> anyhow::Result<Option<String>> {
    let mut environment = system.environment(Service::Chat(0));
    // Straight to the database: it is not tried how the link is.
    let url = format!("postgres://postgres@{}/{}", system.postgres.address(), postgres::DATABASE);
    environment.retain(|(key, _)| key != "TIDINGS_CHAT__DATABASE__URL");
    environment.push(("TIDINGS_CHAT__DATABASE__URL".to_owned(), url));
    let output = command("chat-service", &["verify"], &environment).output().await?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    println!("verify: {said}");
    Ok((!output.status.success()).then(|| format!("chat-service verify: {said}")))
}

/// The same from a file of SQLite.
pub async fn dump_file(path: &Path, journal: &Journal) -> anyhow::Result<u64> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let mut database = SqliteConnection::connect_with(&options).await?;
    let entries = sqlx::query(
        "SELECT conversation_id, seq, id, client_id, kind, sender_id, content ->> 'text' AS text
         FROM entries ORDER BY conversation_id, seq",
    )
    .fetch_all(&mut database)
    .await?;
    for entry in &entries {
        // What is no message of a client.
        let is_system = entry.try_get::<String, _>("kind")? != "text";
        let client_id: Option<String> = entry.try_get("client_id")?;
        journal.write(json!({
            "e": "row",
            "conversation": entry.try_get::<String, _>("conversation_id")?,
            "seq": entry.try_get::<i64, _>("seq")?,
            "id": entry.try_get::<String, _>("id")?,
            "cid": client_id.filter(|_| !is_system),
            "system": is_system,
            "sender": entry.try_get::<String, _>("sender_id")?,
            "text": entry.try_get::<Option<String>, _>("text")?.unwrap_or_default(),
        }))?;
    }
    let cursors =
        sqlx::query("SELECT conversation_id, user_id, delivered_seq, read_seq FROM members")
            .fetch_all(&mut database)
            .await?;
    for cursor in &cursors {
        journal.write(json!({
            "e": "cursor_row",
            "conversation": cursor.try_get::<String, _>("conversation_id")?,
            "user": cursor.try_get::<String, _>("user_id")?,
            "delivered": cursor.try_get::<i64, _>("delivered_seq")?,
            "read": cursor.try_get::<i64, _>("read_seq")?,
        }))?;
    }
    journal.write(json!({ "e": "rows_end" }))?;
    database.close().await?;
    Ok(entries.len() as u64)
}

/// What the checker says: its exit code, its words, and its judgement as data.
#[derive(Debug)]
pub struct Judged {
    /// 0 valid, 1 invalid, 2 unknown.
    pub code: u8,
    /// For people.
    pub said: String,
    /// Everything.
    pub data: Value,
}

/// Judges the histories; `rules` are further arguments of `fleet check`.
pub async fn check(
    histories: &[PathBuf],
    journal: &Path,
    out: &Path,
    rules: &[&str],
) -> anyhow::Result<Judged> {
    let path = out.join("judgement.json");
    let plain = |path: &Path| path.to_str().map(str::to_owned).context("plain names");
    let mut arguments = vec!["check".to_owned(), "--json".to_owned(), plain(&path)?];
    arguments.extend(rules.iter().map(|rule| (*rule).to_owned()));
    for history in histories {
        arguments.push(plain(history)?);
    }
    arguments.push(plain(journal)?);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = command("fleet", &arguments, &[]).output().await?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let code = output.status.code().and_then(|code| u8::try_from(code).ok());
    let (Some(code), Ok(text)) = (code, std::fs::read_to_string(&path)) else {
        bail!("fleet check: {said}{}", String::from_utf8_lossy(&output.stderr));
    };
    Ok(Judged { code, said, data: serde_json::from_str(&text)? })
}
