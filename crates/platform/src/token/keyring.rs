//! The keys of all tenants, found by what a token says of its key before anything of it is believed: its `kid` and its
//! `iss`. So a bad token costs a bounded number of signatures, however many tenants there are.

use std::collections::HashMap;
use std::sync::Arc;

use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};

use super::keys::Key;
use super::ring::Ring;
use super::{Section, TokenSetupError};

/// Keys that nothing but trying tells apart: of one `kid`, or without one, and of one issuer, or of tenants without one.
const MOST_ALIKE: usize = 16;

/// The keys of a tenant and what its tokens must say.
pub(super) struct Realm {
    pub(super) section: Section,
    /// Empty for the section `auth`.
    pub(super) tenant: Arc<str>,
    pub(super) ring: Ring,
    pub(super) rules: Rules,
}

/// What the tokens of a tenant must say.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) audience: Option<String>,
    pub(super) issuer: Option<String>,
}

/// A key and whose it is.
pub(super) struct Held {
    pub(super) key: Key,
    pub(super) tenant: Arc<str>,
    pub(super) rules: Arc<Rules>,
}

/// What a key says of itself; `None` for nothing.
type Group = (Option<String>, Option<String>);

/// All keys.
pub(super) struct Keyring {
    held: Vec<Held>,
    groups: HashMap<Group, Vec<u32>>,
    /// Some tenant names an issuer: else nobody asks a token for its own.
    pub(super) names_issuers: bool,
}

impl Keyring {
    /// Refuses keys that would not say whose token it is, and more than can be tried.
    pub(super) fn new(realms: &[Realm]) -> Result<Self, Vec<TokenSetupError>> {
        let mut keyring = Self { held: Vec::new(), groups: HashMap::new(), names_issuers: false };
        let mut wrong = Vec::new();
        let mut known: HashMap<Vec<u8>, &Section> = HashMap::new();
        for realm in realms {
            let rules = Arc::new(realm.rules.clone());
            keyring.names_issuers |= rules.issuer.is_some();
            for key in realm.ring.keys() {
                let other = known.entry(identity(&key)).or_insert(&realm.section);
                if **other != realm.section {
                    let (one, other) = ((*other).clone(), realm.section.clone());
                    wrong.push(TokenSetupError::SameKey { one, other });
                }
                let place = crate::number::fitted(keyring.held.len());
                let group =
                    keyring.groups.entry((key.id.clone(), rules.issuer.clone())).or_default();
                group.push(place);
                // Of one tenant there may be as many as it likes: its own file bounds them.
                if group.len() == MOST_ALIKE + 1 && realms.len() > 1 {
                    let section = realm.section.clone();
                    wrong.push(TokenSetupError::TooManyAlike { section, most: MOST_ALIKE });
                }
                let (tenant, rules) = (Arc::clone(&realm.tenant), Arc::clone(&rules));
                keyring.held.push(Held { key, tenant, rules });
            }
        }
        if wrong.is_empty() { Ok(keyring) } else { Err(wrong) }
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// The keys that may have made a token which says this of its key, the likeliest first. Those of other issuers
    /// come last, and not all of them: one of them that fits tells why the token is refused, and lets nobody in.
    pub(super) fn candidates<'a>(
        &'a self,
        algorithm: Algorithm,
        kid: Option<&str>,
        issuer: Option<&str>,
    ) -> impl Iterator<Item = &'a Held> {
        let (kid, issuer) = (kid.map(str::to_owned), issuer.map(str::to_owned));
        let mut groups: Vec<Group> = vec![(None, None)];
        if issuer.is_some() {
            groups.insert(0, (None, issuer.clone()));
        }
        if kid.is_some() {
            groups.insert(0, (kid.clone(), None));
        }
        if kid.is_some() && issuer.is_some() {
            groups.insert(0, (kid.clone(), issuer.clone()));
        }
        let likely = groups.into_iter().filter_map(|group| self.groups.get(&group)).flatten();
        let likely = likely.filter_map(|place| self.held.get(*place as usize));
        let others = self.held.iter().filter(move |held| {
            let is_named = held.key.id.is_none() || held.key.id == kid;
            is_named && held.rules.issuer.is_some() && held.rules.issuer != issuer
        });
        likely.chain(others.take(MOST_ALIKE)).filter(move |held| held.key.algorithm == algorithm)
    }
}

/// What makes two keys the same, however they are written: a token of one is a token of the other.
fn identity(key: &Key) -> Vec<u8> {
    let verifying: &DecodingKey = &key.verifying;
    let (kind, bytes) = match (key.algorithm, verifying.kind()) {
        (_, DecodingKeyKind::RsaModulusExponent { n, .. }) => (b'r', without_zeros(n)),
        (
            Algorithm::RS256
            | Algorithm::RS384
            | Algorithm::RS512
            | Algorithm::PS256
            | Algorithm::PS384
            | Algorithm::PS512,
            DecodingKeyKind::SecretOrDer(der),
        ) => (b'r', modulus(der).map_or(der.as_slice(), without_zeros)),
        (
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512,
            DecodingKeyKind::SecretOrDer(secret),
        ) => {
            // HMAC fills a secret up with zeros.
            let end = secret.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            (b's', &secret[..end])
        }
        (_, DecodingKeyKind::SecretOrDer(bytes)) => (b'p', bytes.as_slice()),
    };
    std::iter::once(kind).chain(bytes.iter().copied()).collect()
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let first = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    &number[first..]
}

/// The modulus of an RSA public key as PKCS #1 writes it: a sequence that begins with it (RFC 8017 A.1.1).
fn modulus(der: &[u8]) -> Option<&[u8]> {
    const SEQUENCE: u8 = 0x30;
    const INTEGER: u8 = 0x02;
    element(element(der, SEQUENCE)?, INTEGER)
}

/// The content of an element of DER that begins here, when it is of this kind.
fn element(der: &[u8], kind: u8) -> Option<&[u8]> {
    let (head, rest) = der.split_at_checked(2)?;
    if head[0] != kind {
        return None;
    }
    if head[1] < 0x80 {
        return rest.get(..usize::from(head[1]));
    }
    let (length, rest) = rest.split_at_checked(usize::from(head[1] & 0x7f))?;
    let length = length
        .iter()
        .try_fold(0_usize, |all, byte| all.checked_mul(256)?.checked_add(usize::from(*byte)))?;
    rest.get(..length)
}
