//! What does not come in any more: sessions, tokens, all of a user or of a device. Presence keeps the list
//! for all gateways and tells it at once; this is the copy that is asked at every arrival. Nothing is
//! taken back before its time is over, so copies are merged and never compared.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use proto::hash::Fnv1a;
use proto::id::{DeviceId, UserId};
use proto::presence::revocation::What;
use proto::presence::{Revocation, RevokedUser};
use tokio::sync::{Notify, watch};

use crate::connection::close::Close;
use crate::registry::{Connection, Registry};
use crate::shared::unix_ms;

/// By what a token is known when it is to be kept out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its `jti`, or a hash of its text.
    pub token_id: Box<str>,
    /// When it was issued, in Unix seconds; 0 when it does not say.
    pub issued_secs: u64,
    /// When it ends by itself, in Unix milliseconds.
    pub until_ms: u64,
}

impl Credential {
    /// Of a verified token.
    pub(crate) fn of(token: &str, claims: &platform::token::Claims, leeway_secs: u64) -> Self {
        let hash = || format!("{:016x}", Fnv1a::default().field(token.as_bytes()).finish());
        Self {
            token_id: claims.jti.clone().unwrap_or_else(hash).into(),
            issued_secs: claims.iat.unwrap_or_default(),
            until_ms: claims.exp.saturating_add(leeway_secs).saturating_mul(1_000),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Token(Box<str>),
    /// All of a user's tokens, or those of one device.
    User(Box<str>, Option<Box<str>>),
}

#[derive(Debug, Clone, Copy)]
struct Cut {
    issued_until_secs: u64,
    until_ms: u64,
}

/// The copy.
#[derive(Debug)]
pub(crate) struct Revocations {
    registry: Arc<Registry>,
    gateway_id: String,
    most: usize,
    state: Mutex<State>,
    loaded: watch::Sender<bool>,
    owes: Notify,
}

#[derive(Debug, Default)]
struct State {
    cuts: HashMap<Key, Cut>,
    /// Of the list that was merged last.
    version: Option<String>,
    /// What presence has not been told yet.
    owed: Vec<Revocation>,
}

impl Revocations {
    /// Knows nothing yet, and remembers about `most`.
    pub(crate) fn new(registry: Arc<Registry>, gateway_id: String, most: usize) -> Self {
        Self {
            registry,
            gateway_id,
            most: most.max(1),
            state: Mutex::default(),
            loaded: watch::Sender::new(false),
            owes: Notify::new(),
        }
    }

    /// Whether a token of a user does not come in any more, on this device where one is known.
    pub(crate) fn has(
        &self,
        credential: &Credential,
        user_id: &UserId,
        device_id: Option<&DeviceId>,
    ) -> bool {
        let state = self.state.lock();
        if state.cuts.is_empty() {
            return false;
        }
        let now_ms = unix_ms();
        let is_cut = |key: &Key, issued_secs: u64| {
            let cut = state.cuts.get(key);
            cut.is_some_and(|it| it.until_ms > now_ms && issued_secs <= it.issued_until_secs)
        };
        let user: Box<str> = user_id.as_str().into();
        let issued = credential.issued_secs;
        is_cut(&Key::Token(credential.token_id.clone()), 0)
            || is_cut(&Key::User(user.clone(), None), issued)
            || device_id.is_some_and(|it| {
                is_cut(&Key::User(user.clone(), Some(it.as_str().into())), issued)
            })
    }

    /// Takes one over: keeps it and closes the sockets that it means, after what they were told.
    pub(crate) fn take(&self, revocation: &Revocation) {
        match &revocation.what {
            Some(What::Connection(named)) if named.gateway_id == self.gateway_id => {
                let connection = self.registry.get(named.connection);
                // A number says nothing of whose it is.
                if let Some(it) = connection.filter(|it| it.user_id.as_str() == named.user_id) {
                    self.end(&it);
                }
            }
            Some(What::Connection(_)) | None => {}
            Some(What::TokenId(token_id)) => {
                let cut = Cut { issued_until_secs: u64::MAX, until_ms: revocation.until_ms };
                self.keep(Key::Token(token_id.as_str().into()), cut);
                for connection in self.registry.all() {
                    if *connection.credential.lock().token_id == **token_id {
                        connection.outbox.close(Close::Revoked);
                    }
                }
            }
            Some(What::User(named)) => self.take_user(named, revocation.until_ms),
        }
    }

    fn take_user(&self, named: &RevokedUser, until_ms: u64) {
        let device: Option<Box<str>> =
            (!named.device_id.is_empty()).then(|| named.device_id.as_str().into());
        let cut = Cut { issued_until_secs: named.issued_until_secs, until_ms };
        self.keep(Key::User(named.user_id.as_str().into(), device.clone()), cut);
        for connection in self.registry.all() {
            let issued_secs = connection.credential.lock().issued_secs;
            if connection.user_id.as_str() == named.user_id
                && device.as_deref().is_none_or(|it| it == connection.device_id.as_str())
                && issued_secs <= named.issued_until_secs
            {
                self.end(&connection);
            }
        }
    }

    /// Closes a socket and keeps its token out, here at once and everywhere when presence has heard of it.
    fn end(&self, connection: &Connection) {
        let credential = connection.credential.lock().clone();
        let cut = Cut { issued_until_secs: u64::MAX, until_ms: credential.until_ms };
        let is_new = self.keep(Key::Token(credential.token_id.clone()), cut);
        connection.outbox.close(Close::Revoked);
        if is_new {
            let what = Some(What::TokenId(credential.token_id.into()));
            let mut state = self.state.lock();
            if state.owed.len() < self.most {
                state.owed.push(Revocation { until_ms: credential.until_ms, what });
            }
            drop(state);
            self.owes.notify_one();
        }
    }

    /// False when it was known.
    fn keep(&self, key: Key, cut: Cut) -> bool {
        let mut state = self.state.lock();
        if state.cuts.len() >= self.most && !state.cuts.contains_key(&key) {
            state.forget(self.most);
        }
        let is_new = !state.cuts.contains_key(&key);
        let kept = state.cuts.entry(key).or_insert(cut);
        kept.issued_until_secs = kept.issued_until_secs.max(cut.issued_until_secs);
        kept.until_ms = kept.until_ms.max(cut.until_ms);
        is_new
    }

    /// Whether a list is another than the one that was merged last.
    pub(crate) fn is_new(&self, version: &str) -> bool {
        self.state.lock().version.as_deref() != Some(version)
    }

    /// Merges the list of presence. What presence has forgotten it is told again.
    pub(crate) fn merge(&self, list: &[Revocation], version: String) {
        for revocation in list {
            self.take(revocation);
        }
        let now_ms = unix_ms();
        let mut state = self.state.lock();
        if state.cuts.len() > list.len() {
            let known: std::collections::HashSet<Key> = list.iter().filter_map(key).collect();
            let missing: Vec<Revocation> = state
                .cuts
                .iter()
                .filter(|(key, cut)| cut.until_ms > now_ms && !known.contains(*key))
                .map(|(key, cut)| revocation(key, *cut))
                .collect();
            state.owed = missing;
            self.owes.notify_one();
        }
        state.version = Some(version);
        drop(state);
        self.loaded.send_replace(true);
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

    /// Resolves when presence is to be told something.
    pub(crate) async fn owes(&self) {
        self.owes.notified().await;
    }

    /// What presence is to be told.
    pub(crate) fn owed(&self) -> Vec<Revocation> {
        std::mem::take(&mut self.state.lock().owed)
    }

    /// Presence could not be told: it is tried again with the next heartbeat.
    pub(crate) fn still_owed(&self, revocations: Vec<Revocation>) {
        self.state.lock().owed.extend(revocations);
    }
}

impl State {
    /// Makes room: what has ended, then what ends soonest.
    fn forget(&mut self, most: usize) {
        let now_ms = unix_ms();
        self.cuts.retain(|_, cut| cut.until_ms > now_ms);
        if self.cuts.len() >= most
            && let Some(soonest) = self.cuts.values().map(|cut| cut.until_ms).min()
        {
            self.cuts.retain(|_, cut| cut.until_ms > soonest);
        }
    }
}

fn key(revocation: &Revocation) -> Option<Key> {
    match revocation.what.as_ref()? {
        What::TokenId(token_id) => Some(Key::Token(token_id.as_str().into())),
        What::User(named) => {
            let device = (!named.device_id.is_empty()).then(|| named.device_id.as_str().into());
            Some(Key::User(named.user_id.as_str().into(), device))
        }
        What::Connection(_) => None,
    }
}

fn revocation(key: &Key, cut: Cut) -> Revocation {
    let what = match key {
        Key::Token(token_id) => What::TokenId(token_id.to_string()),
        Key::User(user_id, device_id) => What::User(RevokedUser {
            user_id: user_id.to_string(),
            device_id: device_id.as_deref().unwrap_or_default().to_owned(),
            issued_until_secs: cut.issued_until_secs,
        }),
    };
    Revocation { until_ms: cut.until_ms, what: Some(what) }
}
