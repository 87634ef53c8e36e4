//! Where a crowd connects, as whom, and what it says there.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::carrier::{self, Carrier, Named, SharedInflater};
use super::error::BenchError;
use super::number::Finder;
use super::posts::Posts;
pub use super::speech::{Kind, Role};
use crate::identity::{MAX_CLIENTS, Run};
use crate::message::{MAX_PAYLOAD_BYTES, MIN_PAYLOAD_BYTES};
use crate::options::{NamedPid, Secret, Sources, WsUrl};
use crate::plan::Plan;
use crate::processes;
use crate::rest::Rest;
use crate::run::RunError;
use crate::run::setup::{check_file_limit, secret, targets};
use crate::token::Signer;
use crate::ws::handshake::Target;

/// What fails for now while the group is made is tried again for so long.
const PATIENCE: Duration = Duration::from_mins(1);

/// The server that is measured.
#[derive(Debug, Clone, Args)]
pub struct ServerOptions {
    /// What kind of server it is.
    #[arg(long, value_enum)]
    pub target: Kind,
    /// Its address, host:port; may be given several times, connections take turns.
    #[arg(long = "server", required = true)]
    pub servers: Vec<String>,
    /// The HS256 secret that signs the clients' tokens; Tidings only. Visible in the process list.
    #[arg(long)]
    pub secret: Option<Secret>,
    /// A file with the secret; white space around it is dropped.
    #[arg(long, conflicts_with = "secret")]
    pub secret_file: Option<PathBuf>,
    /// Source addresses, first-last, taken in turns: one address has 28,000 ports.
    #[arg(long)]
    pub sources: Option<Sources>,
    /// Server processes, name=pid,name=pid: their CPU time and memory, children included.
    #[arg(long, value_delimiter = ',')]
    pub server_pids: Vec<NamedPid>,
}

/// Everything a connection needs to come in.
#[derive(Debug)]
pub struct Approach {
    /// What kind of server.
    pub kind: Kind,
    /// Knows the messages of the run.
    pub finder: Finder,
    /// Users by number, 0 publishes; and the one group, once it is made.
    pub plan: Plan,
    /// Inflates what comes compressed.
    pub inflater: SharedInflater,
    /// Where no WebSocket carries what members say.
    pub posts: Posts,
    /// What carries the members' frames.
    carrier: Carrier,
    /// Of the publisher.
    targets: Arc<[Target]>,
    /// Of the members, by carrier.
    member_targets: Vec<Target>,
    signer: Option<Arc<Signer>>,
    sources: Option<Sources>,
}

impl Approach {
    /// For so many connections, with texts of so many bytes.
    pub async fn prepare(
        options: &ServerOptions,
        connections: u32,
        payload_bytes: usize,
        is_acknowledging: bool,
    ) -> Result<Self, BenchError> {
        if !(1..MAX_CLIENTS).contains(&connections) {
            return Err(BenchError::Options(format!("give 1 to {MAX_CLIENTS} connections")));
        }
        if !(MIN_PAYLOAD_BYTES..=MAX_PAYLOAD_BYTES).contains(&payload_bytes) {
            return Err(BenchError::Options(format!(
                "a text has {MIN_PAYLOAD_BYTES} to {MAX_PAYLOAD_BYTES} bytes"
            )));
        }
        check_file_limit(connections + 1)?;
        let missing = processes::missing(&options.server_pids);
        if !missing.is_empty() {
            return Err(RunError::Processes(missing.join(", ")).into());
        }
        let kind = options.target;
        let url = |server: &String| WsUrl {
            authority: server.clone(),
            path: kind.path(is_acknowledging).to_owned(),
        };
        let urls: Vec<WsUrl> = options.servers.iter().map(url).collect();
        let signer = match kind {
            Kind::Tidings => {
                let secret = secret(options.secret.as_ref(), options.secret_file.as_deref())?;
                Some(Arc::new(Signer::new(&secret, None, None)))
            }
            Kind::Nats | Kind::Tcp | Kind::Axum => None,
        };
        let run = Run::begin();
        let targets = targets(&urls).await?;
        Ok(Self {
            kind,
            finder: Finder::new(&run, payload_bytes),
            plan: Plan::one_group(connections + 1, run),
            inflater: SharedInflater::default(),
            posts: Posts::new().map_err(io::Error::other)?,
            carrier: carrier::JSON,
            member_targets: targets.to_vec(),
            targets,
            signer,
            sources: options.sources,
        })
    }

    /// What carries the frames to the members.
    pub fn carried(mut self, carrier: Carrier) -> Result<Self, BenchError> {
        if self.kind != Kind::Tidings && carrier.named != Named::Json {
            return Err(BenchError::Options("--wire is for Tidings only".to_owned()));
        }
        self.carrier = carrier;
        self.member_targets = self.targets.iter().map(|plain| carrier.target(plain)).collect();
        Ok(self)
    }

    /// What carries the frames to this one.
    pub fn carrier(&self, role: Role) -> Carrier {
        if role == Role::Publisher { carrier::JSON } else { self.carrier }
    }

    /// Makes the group that all are members of, where there is such a thing.
    pub async fn make_group(&mut self) -> Result<(), BenchError> {
        let Some(signer) = &self.signer else { return Ok(()) };
        let rest = Rest::new(&self.targets[0].authority, Arc::clone(signer), PATIENCE);
        let rest = rest.map_err(io::Error::other)?;
        let id = rest.create_group(&self.plan, 0).await.map_err(RunError::from)?;
        self.plan.name_group(0, id);
        Ok(())
    }

    /// Where a connection goes.
    pub fn target(&self, number: u32, role: Role) -> &Target {
        let targets =
            if role == Role::Publisher { &self.targets[..] } else { &self.member_targets };
        &targets[number as usize % targets.len()]
    }

    /// Where a connection comes from.
    pub fn source(&self, number: u32) -> Option<IpAddr> {
        self.sources.map(|sources| sources.address(number))
    }

    /// Its token; empty where none is asked for.
    pub fn token(&self, number: u32) -> io::Result<String> {
        let Some(signer) = &self.signer else { return Ok(String::new()) };
        signer.sign(self.plan.users[number as usize].as_str()).map_err(io::Error::other)
    }

    /// The frame that publishes a message.
    pub fn publish(&self, number: u32) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        let conversation = self.plan.conversations[0].id;
        self.kind.publish(&mut out, number, &self.finder, &self.plan.run, conversation);
        out
    }
}
