//! `tidings explain`: what became of a message, asked of a running server and told in lines.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use clap::Args;
use platform::token::{NewToken, Signer};
use serde::Deserialize;

use crate::config::TidingsConfig;

/// Which message, and which server.
#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// `conversation:seq`, or the client id of the operation that wrote it.
    message: String,
    /// Only what concerns this user.
    #[arg(long)]
    user: Option<String>,
    /// The server [default: where the server on this data folder would listen].
    #[arg(long)]
    url: Option<String>,
    /// A token with the role admin [default: signed with the secret of the data folder].
    #[arg(long, env = "TIDINGS_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

/// How long the server may take.
const TIMEOUT: Duration = Duration::from_secs(10);

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

#[derive(Deserialize)]
struct Refusal {
    code: String,
    message: String,
}

/// The lines to print.
pub async fn explain(arguments: ExplainArguments, config: &TidingsConfig) -> Result<String> {
    let url = arguments.url.unwrap_or_else(|| format!("http://{}", config.listen));
    let token = match arguments.token {
        Some(token) => token,
        None => admin_token(config)?,
    };
    let client = reqwest::Client::builder().timeout(TIMEOUT).build()?;
    let (mut text, mut after) = (String::new(), String::new());
    loop {
        let mut query = vec![("message", arguments.message.clone()), ("after", after)];
        query.extend(arguments.user.clone().map(|user| ("user", user)));
        let address =
            reqwest::Url::parse_with_params(&format!("{url}/api/v1/admin/explain"), query)
                .context("--url")?;
        let asked = client.get(address).bearer_auth(&token).send().await;
        let answer = asked.with_context(|| format!("no server answers at {url} (--url)"))?;
        if !answer.status().is_success() {
            let refusal: Refusal = answer.json().await.context("this is no Tidings server")?;
            bail!("{} ({})", refusal.message, refusal.code);
        }
        let page: Explanation = answer.json().await.context("an answer that cannot be read")?;
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

fn admin_token(config: &TidingsConfig) -> Result<String> {
    let signer = Signer::from_config(&config.auth_for_signing()?)?;
    let token = NewToken {
        sub: "tidings-explain".to_owned(),
        roles: vec!["admin".to_owned()],
        ttl: Duration::from_mins(1),
        ..NewToken::default()
    };
    Ok(signer.sign(&token, SystemTime::now()).context("signing")?.0)
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

/// Unix milliseconds as people read them: the civil date of a day count, after Howard Hinnant,
/// <https://howardhinnant.github.io/date_algorithms.html#civil_from_days>.
fn utc(unix_ms: u64) -> String {
    let (days, ms) = (unix_ms / 86_400_000, unix_ms % 86_400_000);
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (secs, millis) = (ms / 1_000, ms % 1_000);
    let (hour, minute, second) = (secs / 3_600, secs / 60 % 60, secs % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{millis:03} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_dates() {
        assert_eq!(utc(0), "1970-01-01 00:00:00.000 UTC");
        assert_eq!(utc(951_782_400_123), "2000-02-29 00:00:00.123 UTC");
        assert_eq!(utc(1_795_239_000_000), "2026-11-21 05:30:00.000 UTC");
    }
}
