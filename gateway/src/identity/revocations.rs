//! The revocations: of single tokens, and of all tokens of a user or of a device that were issued up to a moment.
//! The chat store keeps the list; every arrival is checked against this copy. A revocation is not withdrawn
//! before it expires, so one that is received twice is merged.

pub(crate) mod link;
pub(crate) mod notes;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use proto::chat::Revocation;
use proto::chat::revocation::What;
use proto::id::{DeviceId, UserId};
use tokio::sync::watch;

use crate::clock::unix_ms;
use crate::identity::Credential;
use crate::identity::credential::TokenId;

/// The open sessions of this gateway. It ends those that a revocation applies to.
pub(crate) trait OpenSessions: std::fmt::Debug + Send + Sync {
    /// Ends the sessions of a user for whose token and device `is_meant` is true, after the frames that wait for them.
    fn end(&self, user_id: &UserId, is_meant: &dyn Fn(&Credential, &DeviceId) -> bool);
}

#[derive(Debug, Clone, Copy)]
struct Cut {
    issued_until_secs: u64,
    until_ms: u64,
}

/// Of one user: the store bounds how many there are.
#[derive(Debug, Default)]
struct Cuts {
    all: Option<Cut>,
    devices: Vec<(Box<str>, Cut)>,
    /// With the end of each, in Unix milliseconds.
    tokens: Vec<(TokenId, u64)>,
}

/// The copy.
#[derive(Debug)]
pub(crate) struct Revocations {
    open: Arc<dyn OpenSessions>,
    users: RwLock<HashMap<Box<str>, Cuts>>,
    loaded: watch::Sender<bool>,
}

impl Revocations {
    /// Knows nothing yet.
    pub(crate) fn new(open: Arc<dyn OpenSessions>) -> Self {
        Self { open, users: RwLock::default(), loaded: watch::Sender::new(false) }
    }

    /// Whether a token of a user does not come in any more, on this device where one is known.
    pub(crate) fn has(
        &self,
        credential: &Credential,
        user_id: &UserId,
        device_id: Option<&DeviceId>,
    ) -> bool {
        let users = self.users.read();
        let Some(cuts) = users.get(user_id.as_str()) else { return false };
        cuts.has(credential, device_id, unix_ms())
    }

    /// Takes rows over: keeps them and closes the connections that they mean, after what those were told.
    pub(crate) fn take(&self, list: &[Revocation]) {
        let now_ms = unix_ms();
        for revocation in list.iter().filter(|it| it.until_ms > now_ms) {
            // What a later version wrote and this one cannot read is left out.
            let (Ok(user_id), Some(what)) =
                (UserId::parse_qualified(&revocation.user_id), revocation.what.as_ref())
            else {
                continue;
            };
            let cut = Cut {
                issued_until_secs: revocation.issued_until_secs,
                until_ms: revocation.until_ms,
            };
            self.users.write().entry(user_id.as_str().into()).or_default().keep(what, cut);
            let is_meant = |credential: &Credential, device_id: &DeviceId| {
                is_meant(credential, device_id, what, cut)
            };
            self.open.end(&user_id, &is_meant);
        }
    }

    /// The whole list has been heard: from now on people are let in.
    pub(crate) fn has_all(&self) {
        self.loaded.send_replace(true);
    }

    /// Forgets what has ended.
    pub(crate) fn forget_ended(&self) {
        let now_ms = unix_ms();
        let mut users = self.users.write();
        users.retain(|_, cuts| {
            cuts.forget_ended(now_ms);
            cuts.all.is_some() || !cuts.devices.is_empty() || !cuts.tokens.is_empty()
        });
        if users.capacity() > 64 && users.len() < users.capacity() / 4 {
            users.shrink_to_fit();
        }
    }

    /// Waits until the list was heard for the first time, before which nobody is let in; false when that
    /// takes longer than `patience`.
    pub(crate) async fn loaded(&self, patience: Duration) -> bool {
        if *self.loaded.borrow() {
            return true;
        }
        let mut loaded = self.loaded.subscribe();
        let heard = tokio::time::timeout(patience, loaded.wait_for(|loaded| *loaded)).await;
        matches!(heard, Ok(Ok(_)))
    }
}

fn is_meant(credential: &Credential, device_id: &DeviceId, what: &What, cut: Cut) -> bool {
    match what {
        What::All(_) => credential.issued_secs <= cut.issued_until_secs,
        What::DeviceId(revoked) => {
            device_id.as_str() == revoked && credential.issued_secs <= cut.issued_until_secs
        }
        What::TokenId(id) => {
            credential.token_id[..] == id[..] || credential.any_issuer_id[..] == id[..]
        }
    }
}

impl Cuts {
    fn has(&self, credential: &Credential, device_id: Option<&DeviceId>, now_ms: u64) -> bool {
        let is_out =
            |cut: &Cut| cut.until_ms > now_ms && credential.issued_secs <= cut.issued_until_secs;
        let of_device = |device_id: &DeviceId| {
            let mut devices = self.devices.iter();
            devices.any(|(id, cut)| **id == *device_id.as_str() && is_out(cut))
        };
        self.all.as_ref().is_some_and(is_out)
            || device_id.is_some_and(of_device)
            || self.tokens.iter().any(|(id, until_ms)| {
                *until_ms > now_ms
                    && (*id == credential.token_id || *id == credential.any_issuer_id)
            })
    }

    fn keep(&mut self, what: &What, cut: Cut) {
        match what {
            What::All(_) => {
                let all = self.all.get_or_insert(cut);
                *all = all.with(cut);
            }
            What::DeviceId(device_id) => {
                match self.devices.iter_mut().find(|(id, _)| **id == **device_id) {
                    Some((_, kept)) => *kept = kept.with(cut),
                    None => self.devices.push((device_id.as_str().into(), cut)),
                }
            }
            What::TokenId(id) => {
                let Ok(id) = TokenId::try_from(&id[..]) else { return };
                match self.tokens.iter_mut().find(|(known, _)| *known == id) {
                    Some((_, until_ms)) => *until_ms = (*until_ms).max(cut.until_ms),
                    None => self.tokens.push((id, cut.until_ms)),
                }
            }
        }
    }

    fn forget_ended(&mut self, now_ms: u64) {
        self.all = self.all.filter(|cut| cut.until_ms > now_ms);
        self.devices.retain(|(_, cut)| cut.until_ms > now_ms);
        self.tokens.retain(|(_, until_ms)| *until_ms > now_ms);
    }
}

impl Cut {
    fn with(self, other: Self) -> Self {
        Self {
            issued_until_secs: self.issued_until_secs.max(other.issued_until_secs),
            until_ms: self.until_ms.max(other.until_ms),
        }
    }
}
