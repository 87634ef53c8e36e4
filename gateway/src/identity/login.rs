//! The section `[login]`: how users of the chat page get their tokens. The page learns it from `/api/v1/meta`, and its
//! content security policy lets it ask the issuer and nobody else.

use axum::http::{HeaderValue, Uri};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The operator's own ways to sign in. Whatever token they give has to verify by the section `auth`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoginConfig {
    /// Issuer of an OpenID provider, as in its discovery document; the page signs in there as a public client with
    /// authorization code and PKCE.
    pub oidc_issuer: Option<String>,
    /// Client id of the page at that provider; needed with `oidc_issuer`.
    pub oidc_client_id: Option<String>,
    /// Scopes that the page requests, separated by spaces. With `offline_access` most providers issue a refresh token.
    pub oidc_scope: String,
    /// Which token of the provider is used as the token of the user: `access` or `id`.
    pub oidc_token: OidcToken,
    /// Origins of the provider's token endpoint, where they differ from that of `oidc_issuer`.
    pub oidc_origins: Vec<String>,
    /// Address of a page of the operator that signs users in and returns with a token in the fragment.
    pub redirect_url: Option<String>,
}

impl Default for LoginConfig {
    fn default() -> Self {
        Self {
            oidc_issuer: None,
            oidc_client_id: None,
            oidc_scope: "openid profile offline_access".to_owned(),
            oidc_token: OidcToken::Access,
            oidc_origins: Vec::new(),
            redirect_url: None,
        }
    }
}

/// One of the tokens that an OpenID provider gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OidcToken {
    /// The access token, where it is a signed JWT.
    Access,
    /// The ID token, where access tokens are opaque.
    Id,
}

/// A mistake in the section `[login]`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// A login page may see tokens, so its address has to be safe.
    #[error(
        "login.{key}: wants an address with https, or with http on this machine, and no fragment"
    )]
    Address {
        /// The configuration key.
        key: &'static str,
    },
    /// The provider would not know who asks.
    #[error("login.oidc_client_id: is needed with login.oidc_issuer")]
    NoClient,
}

/// The ways to sign in that the page offers.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub(crate) struct Logins {
    /// At an OpenID provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    oidc: Option<OidcLogin>,
    /// At a page that comes back with a token: `redirect_url?return_to=…&state=…` answers with a redirect to
    /// `return_to#token=…&state=…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect_url: Option<String>,
}

/// What the page needs to know of an OpenID provider.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct OidcLogin {
    /// Its identifier; the discovery document is below it.
    issuer: String,
    /// The page's client id.
    client_id: String,
    /// Separated by spaces.
    scope: String,
    /// Which of its tokens is for this server.
    token: OidcToken,
}

/// The section, checked.
#[derive(Debug, Clone)]
pub struct Login {
    pub(crate) logins: Logins,
    /// What the page may load and whom it may ask: nothing from elsewhere, no inline script, no framing.
    pub(crate) content_policy: HeaderValue,
}

impl Login {
    /// Checks the section.
    pub fn new(config: &LoginConfig) -> Result<Self, LoginError> {
        // The page's own sockets, too, in browsers where `'self'` does not cover them.
        let mut asked = vec!["'self' ws: wss:".to_owned()];
        let oidc = match (&config.oidc_issuer, &config.oidc_client_id) {
            (None, _) => None,
            (Some(issuer), Some(client_id)) if !client_id.is_empty() => {
                asked.push(origin("oidc_issuer", issuer)?);
                for other in &config.oidc_origins {
                    asked.push(origin("oidc_origins", other)?);
                }
                Some(OidcLogin {
                    issuer: issuer.clone(),
                    client_id: client_id.clone(),
                    scope: config.oidc_scope.clone(),
                    token: config.oidc_token,
                })
            }
            (Some(_), _) => return Err(LoginError::NoClient),
        };
        if let Some(address) = &config.redirect_url {
            origin("redirect_url", address)?;
        }
        let policy = format!(
            "default-src 'self'; img-src 'self' https: data:; connect-src {}; style-src 'self' 'unsafe-inline'; \
             object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
            asked.join(" "),
        );
        let content_policy = HeaderValue::from_str(&policy)
            .map_err(|_| LoginError::Address { key: "oidc_issuer" })?;
        Ok(Self {
            logins: Logins { oidc, redirect_url: config.redirect_url.clone() },
            content_policy,
        })
    }
}

/// The origin of an address, which may stand in a policy: letters, digits, dots, a port.
fn origin(key: &'static str, address: &str) -> Result<String, LoginError> {
    let wrong = || LoginError::Address { key };
    let uri: Uri = address.parse().map_err(|_| wrong())?;
    let (scheme, authority) =
        (uri.scheme_str().ok_or_else(wrong)?, uri.authority().ok_or_else(wrong)?);
    let is_here = matches!(authority.host(), "localhost" | "127.0.0.1" | "[::1]");
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || ".-:[]".contains(character);
    let is_safe = scheme == "https" || (scheme == "http" && is_here);
    if !is_safe || address.contains('#') || !authority.as_str().chars().all(is_plain) {
        return Err(wrong());
    }
    Ok(format!("{scheme}://{authority}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oidc(issuer: &str) -> LoginConfig {
        LoginConfig {
            oidc_issuer: Some(issuer.to_owned()),
            oidc_client_id: Some("page".to_owned()),
            ..LoginConfig::default()
        }
    }

    #[test]
    fn the_page_may_ask_the_issuer_and_no_path_of_it_gets_into_the_policy() {
        let config = LoginConfig {
            oidc_origins: vec!["https://tokens.example".to_owned()],
            ..oidc("https://id.example:8443/realms/a;b")
        };
        let login = Login::new(&config).unwrap();
        let policy = login.content_policy.to_str().unwrap();
        let expected =
            "connect-src 'self' ws: wss: https://id.example:8443 https://tokens.example;";
        assert!(policy.contains(expected), "{policy}");
        let nobody = Login::new(&LoginConfig::default()).unwrap();
        assert!(nobody.content_policy.to_str().unwrap().contains("connect-src 'self' ws: wss:;"));
    }

    #[test]
    fn an_issuer_has_to_be_reached_safely_and_to_know_the_page() {
        for address in [
            "http://id.example",
            "id.example",
            "ftp://id.example",
            "https://id.example/#x",
            "https://a;script-src",
            "https://user@id.example",
            "",
        ] {
            let wrong = Some(LoginError::Address { key: "oidc_issuer" });
            assert_eq!(Login::new(&oidc(address)).err(), wrong, "{address}");
        }
        assert!(Login::new(&oidc("http://127.0.0.1:9000")).is_ok());
        let nobody = LoginConfig { oidc_client_id: None, ..oidc("https://id.example") };
        assert_eq!(Login::new(&nobody).err(), Some(LoginError::NoClient));
        let elsewhere = LoginConfig {
            redirect_url: Some("http://app.example/login".to_owned()),
            ..LoginConfig::default()
        };
        let wrong = Some(LoginError::Address { key: "redirect_url" });
        assert_eq!(Login::new(&elsewhere).err(), wrong);
    }
}
