//! `tidings token`: prints a token that the server on the same data folder takes, and nothing else.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use clap::Args;
use platform::token::NewToken;
use proto::id::{DeviceId, TenantId, UserName};

use crate::config::TidingsConfig;

/// Whose token, and for how long.
#[derive(Debug, Args)]
pub struct TokenArguments {
    /// The user id: 1 to 64 of A-Z a-z 0-9 . _ - @ : +, not . or ..
    #[arg(long, value_parser = user_id)]
    user: String,
    /// Whose user: the id of a tenant of the configuration [default: the one of the section `auth`].
    #[arg(long)]
    tenant: Option<TenantId>,
    /// The device that alone uses it: an id like that of a user.
    #[arg(long, value_parser = device_id)]
    device: Option<String>,
    /// The name that others see.
    #[arg(long)]
    name: Option<String>,
    /// What the user is beyond a user, such as `admin`; may be given several times.
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// How long it lasts: a number with s, m, h or d.
    #[arg(long, default_value = "1h", value_parser = duration)]
    ttl: Duration,
}

/// The token.
pub fn token(arguments: TokenArguments, config: &TidingsConfig, now: SystemTime) -> Result<String> {
    let signer = config.signer(arguments.tenant)?;
    let token = NewToken {
        sub: arguments.user,
        device: arguments.device,
        name: arguments.name,
        roles: arguments.roles,
        ttl: arguments.ttl,
        ..NewToken::default()
    };
    let (token, _ends) = signer.sign(&token, now).context("signing")?;
    Ok(token)
}

fn user_id(text: &str) -> Result<String, String> {
    UserName::parse(text).map(|id| id.to_string()).map_err(|error| error.to_string())
}

fn device_id(text: &str) -> Result<String, String> {
    DeviceId::parse(text).map(|id| id.to_string()).map_err(|error| error.to_string())
}

/// A number with its unit: no number is read as the wrong one.
fn duration(text: &str) -> Result<Duration, String> {
    let mistake = || format!("`{text}` is not like 90s, 15m, 1h or 30d");
    let unit = text.chars().last().ok_or_else(mistake)?;
    let number: u32 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| mistake())?;
    let secs = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return Err(mistake()),
    };
    if number == 0 {
        return Err("a token that has ended already is of no use".to_owned());
    }
    Ok(Duration::from_secs(u64::from(number) * secs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_folder::DataFolder;
    use gateway::tenants::TenantConfig;
    use platform::secret::Secret;
    use platform::token::{AuthConfig, Verifier};

    fn arguments() -> TokenArguments {
        TokenArguments {
            user: "alice".into(),
            tenant: None,
            device: Some("phone".into()),
            name: Some("Alice".into()),
            roles: vec!["admin".into()],
            ttl: Duration::from_hours(1),
        }
    }

    #[test]
    fn the_server_on_the_same_folder_takes_the_token() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::open(folder.path()).unwrap();
        let config = TidingsConfig {
            data: folder.path().into(),
            auth: AuthConfig { audience: Some("chat".into()), ..AuthConfig::default() },
            ..TidingsConfig::default()
        };
        let now = SystemTime::now();
        let token = token(arguments(), &config, now).unwrap();
        let verifier = Verifier::from_config(&config.auth_for_serving(&data)).unwrap();
        let claims = verifier.verify(&token, now).unwrap();
        assert_eq!((claims.sub.as_str(), claims.name.as_deref()), ("alice", Some("Alice")));
        assert_eq!(claims.roles, ["admin"]);
        assert!(verifier.verify(&token, now + Duration::from_mins(61)).is_err());
    }

    #[test]
    fn a_token_of_a_tenant_is_signed_with_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::open(folder.path()).unwrap();
        let acme = TenantConfig {
            id: "acme".to_owned(),
            hs256_secret: Secret::new("a secret of acme of sixteen bytes"),
            ..TenantConfig::default()
        };
        let config = TidingsConfig {
            data: folder.path().into(),
            tenants: vec![acme],
            ..TidingsConfig::default()
        };
        let now = SystemTime::now();
        let keys = TenantConfig::keys(&config.tenants);
        let verifier = Verifier::prepare(&config.auth_for_serving(&data), &keys).unwrap();
        for (named, tenant) in [(None, ""), (Some("default"), ""), (Some("acme"), "acme")] {
            let named = named.map(|id| TenantId::parse(id).unwrap());
            let arguments = TokenArguments { tenant: named, ..arguments() };
            let claims = verifier.verify(&token(arguments, &config, now).unwrap(), now).unwrap();
            assert_eq!((&*claims.tenant, claims.sub.as_str()), (tenant, "alice"));
        }
        let unknown = TenantId::parse("beta").ok();
        let refused = token(TokenArguments { tenant: unknown, ..arguments() }, &config, now);
        assert!(refused.unwrap_err().to_string().contains("no tenant `beta`"));
    }

    #[test]
    fn a_server_whose_tokens_come_from_elsewhere_signs_none() {
        let config = TidingsConfig {
            auth: AuthConfig { jwks_file: Some("keys.json".into()), ..AuthConfig::default() },
            ..TidingsConfig::default()
        };
        let error = token(arguments(), &config, SystemTime::now()).unwrap_err().to_string();
        assert!(error.contains("hs256_secret"), "{error}");
    }

    #[test]
    fn a_time_needs_its_unit() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("15m"), Ok(Duration::from_mins(15)));
        assert_eq!(duration("1h"), Ok(Duration::from_hours(1)));
        assert_eq!(duration("30d"), Ok(Duration::from_hours(720)));
        for text in ["", "1", "h", "1w", "-1h", "1.5h", "1 h", "0s", "99999999999d", "1é"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
