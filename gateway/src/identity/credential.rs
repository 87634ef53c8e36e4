//! By what a token is known when it is to be kept out.

use platform::token::Claims;
use proto::id::UserId;
use sha2::{Digest, Sha256};

/// SHA-256 of what identifies a token.
pub type TokenId = [u8; 32];

/// The identity of a verified token, and its times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its user, issuer and `jti`, or, without a `jti`, what was signed. Not the signature: a token may have
    /// several that are good.
    pub token_id: TokenId,
    /// Its user and `jti`, for any issuer: operators may not know the issuer. The same as `token_id`
    /// without a `jti`.
    pub any_issuer_id: TokenId,
    /// When it was issued, in Unix seconds; 0 when it does not say.
    pub issued_secs: u64,
    /// When it ends by itself, in Unix milliseconds.
    pub until_ms: u64,
}

impl Credential {
    /// Of a verified token.
    pub(crate) fn of(token: &str, user_id: &UserId, claims: &Claims, leeway_secs: u64) -> Self {
        let (token_id, any_issuer_id) = match &claims.jti {
            Some(jti) => {
                let issuer = claims.iss.as_deref().unwrap_or_default();
                (digest(&["issued", issuer, user_id.as_str(), jti]), any_issuer(user_id, jti))
            }
            None => {
                let signed = token.rsplit_once('.').map_or(token, |(signed, _)| signed);
                let digest = digest(&["signed", signed]);
                (digest, digest)
            }
        };
        Self {
            token_id,
            any_issuer_id,
            issued_secs: claims.iat.unwrap_or_default(),
            until_ms: claims.exp.saturating_add(leeway_secs).saturating_mul(1_000),
        }
    }
}

/// Of a user's tokens with this `jti`, from any issuer.
pub(crate) fn any_issuer(user_id: &UserId, jti: &str) -> TokenId {
    digest(&["any issuer", user_id.as_str(), jti])
}

/// Each field with its length, so that ("ab", "c") differs from ("a", "bc").
fn digest(fields: &[&str]) -> TokenId {
    let mut digest = Sha256::new();
    for field in fields {
        digest.update((field.len() as u64).to_le_bytes());
        digest.update(field.as_bytes());
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(token: &str, user: &str, jti: Option<&str>, iss: Option<&str>) -> Credential {
        let claims = Claims {
            sub: user.to_owned(),
            exp: 10,
            name: None,
            avatar: None,
            roles: Vec::new(),
            device: None,
            jti: jti.map(str::to_owned),
            iat: None,
            iss: iss.map(str::to_owned),
            tenant: std::sync::Arc::default(),
        };
        Credential::of(token, &UserId::parse_qualified(user).unwrap(), &claims, 0)
    }

    #[test]
    fn another_signature_of_the_same_claims_is_the_same_token() {
        let one = credential("header.payload.signature", "ann", None, None);
        assert_eq!(one, credential("header.payload.twin", "ann", None, None));
        assert_ne!(one.token_id, credential("header.other.signature", "ann", None, None).token_id);
    }

    #[test]
    fn a_jti_is_a_name_by_an_issuer_for_a_user() {
        let one = credential("a.b.c", "ann", Some("1"), Some("x"));
        assert_eq!(one, credential("d.e.f", "ann", Some("1"), Some("x")));
        for other in [
            credential("a.b.c", "bob", Some("1"), Some("x")),
            credential("a.b.c", "ann", Some("2"), Some("x")),
        ] {
            assert!(one.token_id != other.token_id && one.any_issuer_id != other.any_issuer_id);
        }
        let other = credential("a.b.c", "ann", Some("1"), Some("y"));
        assert!(one.token_id != other.token_id && one.any_issuer_id == other.any_issuer_id);
        assert_eq!(one.any_issuer_id, any_issuer(&UserId::parse_qualified("ann").unwrap(), "1"));
    }
}
