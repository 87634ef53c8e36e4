//! Private keys as operators write them down.

use aws_lc_rs::agreement;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

/// A key that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Neither PEM nor, for P-256, 32 bytes as Base64.
    #[error("it is no private key in PEM, nor 32 bytes in Base64 without padding")]
    NoKey,
    /// A key of another kind.
    #[error("it is a private key of another kind")]
    OtherKind,
}

/// A key on P-256: PEM (PKCS #8 or SEC 1), or the 32 bytes of it as Base64 for URLs.
pub(crate) fn p256(text: &str) -> Result<EcdsaKeyPair, KeyError> {
    let alg = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let text = text.trim();
    if text.starts_with("-----") {
        let der = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|_| KeyError::NoKey)?;
        return EcdsaKeyPair::from_private_key_der(alg, der.secret_der())
            .map_err(|_| KeyError::OtherKind);
    }
    let bytes = unbase64(text).filter(|bytes| bytes.len() == 32).ok_or(KeyError::NoKey)?;
    let key = agreement::PrivateKey::from_private_key(&agreement::ECDH_P256, &bytes)
        .map_err(|_| KeyError::NoKey)?;
    let public = key.compute_public_key().map_err(|_| KeyError::NoKey)?;
    EcdsaKeyPair::from_private_key_and_public_key(alg, &bytes, public.as_ref())
        .map_err(|_| KeyError::NoKey)
}

/// A key of RSA in PEM.
pub(crate) fn rsa(pem: &str) -> Result<RsaKeyPair, KeyError> {
    let der = PrivateKeyDer::from_pem_slice(pem.trim().as_bytes()).map_err(|_| KeyError::NoKey)?;
    let key = match &der {
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        other => RsaKeyPair::from_der(other.secret_der()),
    };
    key.map_err(|_| KeyError::OtherKind)
}

/// Base64 for URLs, with or without padding.
pub(crate) fn unbase64(text: &str) -> Option<Vec<u8>> {
    let engine = if text.ends_with('=') { &URL_SAFE } else { &URL_SAFE_NO_PAD };
    engine.decode(text).ok()
}

/// Base64 for URLs, without padding.
pub(crate) fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::KeyPair as _;

    use super::*;

    #[test]
    fn a_key_of_32_bytes_has_its_public_half_and_odd_ones_are_refused() {
        // Of RFC 8291, section 5.
        let key = p256("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw").unwrap();
        let public = "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8";
        assert_eq!(base64(key.public_key()), public);
        for odd in ["", "abc", "-----BEGIN PRIVATE KEY-----", "AAAA", &"A".repeat(43)] {
            assert_eq!(p256(odd).err(), Some(KeyError::NoKey), "{odd}");
            assert!(rsa(odd).is_err(), "{odd}");
        }
    }
}
