//! `tidings token`: a token for scripts and for trying out.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use clap::Args;
use platform::token::{NewToken, Signer};
use proto::id::UserId;

use crate::data_folder::DataFolder;

/// What `token` takes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The user id.
    #[arg(long, value_parser = UserId::parse)]
    user: UserId,
    /// Display name.
    #[arg(long)]
    name: Option<String>,
    /// What the user is beyond a user, such as `admin`; may be repeated.
    #[arg(long = "role")]
    roles: Vec<String>,
    /// The data folder of the server.
    #[arg(long, default_value = "./data")]
    data: PathBuf,
    /// How long it lasts: a number and s, m, h or d.
    #[arg(long, default_value = "1h", value_parser = duration)]
    ttl: Duration,
}

/// Prints a token and nothing else.
pub(crate) fn print(arguments: &Arguments) -> Result<()> {
    let secret = DataFolder::open(&arguments.data)?.secret()?;
    let token = NewToken {
        sub: arguments.user.to_string(),
        name: arguments.name.clone(),
        avatar: None,
        roles: arguments.roles.clone(),
        ttl: arguments.ttl,
    };
    let (token, _) =
        Signer::hs256(&secret, None, None).sign(&token, SystemTime::now()).context("token")?;
    println!("{token}");
    Ok(())
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not like 90s, 10m, 1h or 7d");
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let number: u64 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| wrong())?;
    let secs = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    number.checked_mul(secs).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("2h"), Ok(Duration::from_hours(2)));
        for bad in ["", "h", "1", "1w", "-1h", "1.5h", "1é"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
