//! Whom attackers attack, and what each attacker has: an address, a user, a token, one tactic.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bench::crowd::error::BenchError;
use tokio::time::Instant;
use uuid::Uuid;
use wire_client::prepare;
use wire_client::token::Signer;
use wire_client::ws::handshake::Target as Address;

use super::tally::{ODD_VALUES, Tally};
use super::{requests, sockets};
use wire_client::values::{Secret, WsUrl};

/// The user that several tactics aim at.
pub const VICTIM: &str = "attack.victim";
/// A request that is answered later than this counts as unanswered.
const REQUEST: Duration = Duration::from_secs(20);
/// Waited after an attempt that came to nothing, so that an attacker does not only keep itself busy.
const PAUSE: Duration = Duration::from_millis(20);

/// The gateways under attack.
pub struct Target {
    addresses: Vec<Address>,
    signer: Arc<Signer>,
}

impl Target {
    /// Resolves the gateways.
    pub async fn new(urls: &[WsUrl], secret: &Secret) -> Result<Self, BenchError> {
        let addresses = prepare::targets(urls).await?.to_vec();
        Ok(Self { addresses, signer: Arc::new(Signer::new(secret, None, None)) })
    }

    fn base(&self, number: usize) -> String {
        format!("http://{}", self.addresses[number % self.addresses.len()].authority)
    }

    fn token(&self, user: &str) -> Result<String, BenchError> {
        self.signer.sign(user).map_err(|error| BenchError::Options(format!("token: {error}")))
    }

    /// How many gateways there are.
    pub fn gateways(&self) -> u32 {
        self.addresses.len() as u32
    }

    /// Whether the victim can list its conversations at every gateway.
    pub async fn victim_is_served(&self) -> bool {
        let Ok(token) = self.token(VICTIM) else { return false };
        let Ok(http) = client(None) else { return false };
        for number in 0..self.addresses.len() {
            let url = format!("{}/api/v1/conversations", self.base(number));
            let answer = http.get(url).bearer_auth(&token).send().await;
            if !answer.is_ok_and(|answer| answer.status().is_success()) {
                return false;
            }
        }
        true
    }
}

fn client(source: Option<IpAddr>) -> Result<reqwest::Client, BenchError> {
    let builder = reqwest::Client::builder().timeout(REQUEST).no_proxy().local_address(source);
    builder.build().map_err(|error| BenchError::Options(format!("HTTP client: {error}")))
}

/// One user who misbehaves.
pub struct Attacker {
    /// Its name among the answers.
    pub tactic: &'static str,
    /// Where it connects.
    pub address: Address,
    /// The gateway's REST, without a path.
    pub base: String,
    /// From where.
    pub source: Option<IpAddr>,
    /// Signed once; it outlives the attack.
    pub token: String,
    /// For requests that are sent whole.
    pub http: reqwest::Client,
    /// When the attack is over.
    pub until: Instant,
    number: u32,
    tally: Rc<RefCell<Tally>>,
}

/// The tactics by name, in the order in which users take them.
const TACTICS: [&str; 15] = [
    "sends without waiting",
    "syncs that are not read",
    "call signals",
    "typing and status",
    "unfinished messages",
    "malformed frames",
    "connecting again and again",
    "bodies without a token",
    ODD_VALUES,
    "groups with a victim",
    "many conversations",
    "large pages",
    "sessions that never were",
    "searches",
    "event streams that are not read",
];

impl Attacker {
    /// The attacker of this number.
    pub fn new(
        target: &Target,
        tally: &Rc<RefCell<Tally>>,
        number: u32,
        source: Option<IpAddr>,
        until: Instant,
    ) -> Result<Self, BenchError> {
        let place = number as usize;
        let user = format!("attack.{number}.{}", Uuid::now_v7().simple());
        Ok(Self {
            tactic: TACTICS[place % TACTICS.len()],
            address: target.addresses[place % target.addresses.len()].clone(),
            base: target.base(place),
            source,
            token: target.token(&user)?,
            http: client(source)?,
            until,
            number,
            tally: Rc::clone(tally),
        })
    }

    /// Somebody who attacks nobody, at the gateway of this number.
    pub fn bystander(
        target: &Target,
        number: u32,
        source: Option<IpAddr>,
        until: Instant,
    ) -> Result<Self, BenchError> {
        let mut user = Self::new(target, &Rc::default(), number, source, until)?;
        user.tactic = "bystander";
        Ok(user)
    }

    /// Counts an answer.
    pub fn count(&self, answer: &str) {
        self.tally.borrow_mut().count(self.tactic, answer);
    }

    /// Does the same until the attack is over.
    pub async fn repeat_tactic(self) {
        while Instant::now() < self.until {
            match self.number as usize % TACTICS.len() {
                0 => sockets::send_without_waiting(&self).await,
                1 => sockets::sync_without_reading(&self).await,
                2 => sockets::signal(&self).await,
                3 => sockets::type_and_change_status(&self).await,
                4 => sockets::begin_messages(&self).await,
                5 => sockets::send_malformed_frames(&self).await,
                6 => sockets::connect(&self).await,
                7 => requests::begin_bodies(&self).await,
                8 => requests::ask_odd_values(&self).await,
                9 => requests::add_victim_to_groups(&self).await,
                10 => requests::make_conversations(&self).await,
                11 => requests::ask_for_large_pages(&self).await,
                12 => requests::revoke_unknown_sessions(&self).await,
                13 => requests::search(&self).await,
                _ => sockets::stream_without_reading(&self).await,
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
