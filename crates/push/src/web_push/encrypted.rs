//! A message as RFC 8291 encrypts it for a browser: content coding `aes128gcm` (RFC 8188) in one record.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};

/// Salt, record size, length of the key id, key id.
pub(crate) const HEADER_BYTES: usize = 16 + 4 + 1 + POINT_BYTES;
/// The mark of the last record, and the tag.
pub(crate) const TRAILER_BYTES: usize = 1 + 16;
/// A point of P-256, not compressed.
pub(crate) const POINT_BYTES: usize = 65;
/// The secret of a subscription.
pub(crate) const AUTH_BYTES: usize = 16;
/// A message is one record, which is this long at most.
const RECORD_BYTES: u32 = 4_096;

/// The keys of a subscription.
pub(crate) struct Receiver<'a> {
    /// The public key of the browser.
    pub(crate) public: &'a [u8],
    /// The secret that it shares with this server.
    pub(crate) auth: &'a [u8],
}

/// The body of a request, under a key and a salt that are used once.
pub(crate) fn encrypt(receiver: &Receiver<'_>, text: &[u8]) -> Result<Vec<u8>, Unspecified> {
    let key = PrivateKey::generate(&ECDH_P256)?;
    let mut salt = [0; 16];
    SystemRandom::new().fill(&mut salt)?;
    encrypt_with(receiver, text, &key, salt)
}

fn encrypt_with(
    receiver: &Receiver<'_>,
    text: &[u8],
    key: &PrivateKey,
    salt: [u8; 16],
) -> Result<Vec<u8>, Unspecified> {
    let own = key.compute_public_key()?;
    let theirs = UnparsedPublicKey::new(&ECDH_P256, receiver.public);
    let (content_key, nonce) = agree(key, theirs, Unspecified, |secret| {
        let prk = Salt::new(HKDF_SHA256, receiver.auth).extract(secret);
        let info = [b"WebPush: info\0".as_slice(), receiver.public, own.as_ref()].concat();
        let input = expanded::<32>(&prk, &info)?;
        let prk = Salt::new(HKDF_SHA256, &salt).extract(&input);
        let content_key = expanded::<16>(&prk, b"Content-Encoding: aes128gcm\0")?;
        Ok((content_key, expanded::<12>(&prk, b"Content-Encoding: nonce\0")?))
    })?;
    let mut record = text.to_vec();
    // The last record.
    record.push(2);
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &content_key)?);
    let nonce = Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_append_tag(nonce, Aad::empty(), &mut record)?;
    let mut body = Vec::with_capacity(HEADER_BYTES + record.len());
    body.extend_from_slice(&salt);
    body.extend_from_slice(&RECORD_BYTES.to_be_bytes());
    body.push(POINT_BYTES as u8);
    body.extend_from_slice(own.as_ref());
    body.append(&mut record);
    Ok(body)
}

/// So many bytes of a key.
struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn expanded<const BYTES: usize>(prk: &Prk, info: &[u8]) -> Result<[u8; BYTES], Unspecified> {
    let mut bytes = [0; BYTES];
    prk.expand(&[info], Length(BYTES))?.fill(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{base64, unbase64};

    /// The example of RFC 8291, section 5.
    #[test]
    fn the_example_of_the_standard_is_encrypted_as_it_stands_there() {
        let bytes = |text: &str| unbase64(text).unwrap();
        let public = bytes(
            "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        );
        let auth = bytes("BTBZMqHH6r4Tts7J_aSIgg");
        let private = bytes("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw");
        let key = PrivateKey::from_private_key(&ECDH_P256, &private).unwrap();
        let salt = bytes("DGv6ra1nlYgDCS1FRnbzlw").try_into().unwrap();
        let receiver = Receiver { public: &public, auth: &auth };
        let text = b"When I grow up, I want to be a watermelon";
        let body = encrypt_with(&receiver, text, &key, salt).unwrap();
        let expected = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27ml\
                        mlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPT\
                        pK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";
        assert_eq!(base64(&body), expected);
        assert_eq!(body.len(), HEADER_BYTES + text.len() + TRAILER_BYTES);
    }

    #[test]
    fn no_two_messages_have_a_key_or_a_salt_in_common() {
        let key = PrivateKey::generate(&ECDH_P256).unwrap();
        let public = key.compute_public_key().unwrap();
        let receiver = Receiver { public: public.as_ref(), auth: &[7; 16] };
        let (one, other) = (encrypt(&receiver, b"x").unwrap(), encrypt(&receiver, b"x").unwrap());
        assert_ne!(one[..16], other[..16]);
        assert_ne!(one[21..HEADER_BYTES], other[21..HEADER_BYTES]);
        assert!(encrypt(&Receiver { public: &[4; 65], auth: &[7; 16] }, b"x").is_err());
    }
}
