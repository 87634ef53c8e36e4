//! Where a crowd connects, as whom, and what it says there.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use proto::id::{ConversationId, TenantId, UserName};
use uuid::Uuid;
use wire_client::identity::{MAX_CLIENTS, Run};
use wire_client::message::{MAX_PAYLOAD_BYTES, MIN_PAYLOAD_BYTES};
use wire_client::prepare::{check_file_limit, check_processes, secret, targets};
use wire_client::rest::{NewGroup, Rest};
use wire_client::token::Signer;
use wire_client::values::{NamedPid, Secret, Sources, WsUrl};
use wire_client::ws::handshake::Target;

use super::carrier::{self, Carrier, Named, SharedInflater};
use super::error::BenchError;
use super::number::Finder;
use super::posts::Posts;
pub use super::speech::{Kind, Role};

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

/// Users by number, 0 publishes; and the one group that all are members of.
#[derive(Debug)]
pub struct Group {
    /// Names the users.
    pub run: Run,
    /// Its id, once it is made.
    pub id: Uuid,
    users: Vec<UserName>,
}

impl Group {
    /// So many users; the group is not made.
    fn of(members: u32, run: Run) -> Self {
        let users = (0..members).map(|member| run.user(member)).collect();
        Self { run, id: Uuid::nil(), users }
    }
}

/// Everything a connection needs to come in.
#[derive(Debug)]
pub struct Approach {
    /// What kind of server.
    pub kind: Kind,
    /// Knows the messages of the run.
    pub finder: Finder,
    /// The users and their group.
    pub group: Group,
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
        check_processes(&options.server_pids)?;
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
            group: Group::of(connections + 1, run),
            inflater: carrier::shared_inflater(),
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

    /// The members keep the log of notices, which takes the place of the group.
    #[must_use]
    pub fn noticed(mut self) -> Self {
        for target in &mut self.member_targets {
            target.path.push_str(if target.path.contains('?') { "&" } else { "?" });
            target.path.push_str("notices=1");
        }
        self.group.id = ConversationId::notices(TenantId::DEFAULT).0;
        self
    }

    /// REST beside the first server, where there is such a thing.
    pub fn rest(&self) -> Result<Option<Rest>, BenchError> {
        let Some(signer) = &self.signer else { return Ok(None) };
        let rest = Rest::new(&self.targets[0].authority, Arc::clone(signer), PATIENCE);
        Ok(Some(rest.map_err(io::Error::other)?))
    }

    /// The name of a user of the run.
    pub fn user(&self, number: u32) -> &str {
        self.group.users[number as usize].as_str()
    }

    /// Makes the group that all are members of, where there is such a thing.
    pub async fn make_group(&mut self) -> Result<(), BenchError> {
        let Some(rest) = self.rest()? else { return Ok(()) };
        let group = NewGroup {
            what: "make group 0",
            title: format!("{} group 0", self.group.run.name()),
            creator: &self.group.users[0],
            members: self.group.users[1..].iter().map(UserName::as_str).collect(),
        };
        self.group.id = rest.create_group(&group).await?;
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
        signer.sign(self.group.users[number as usize].as_str()).map_err(io::Error::other)
    }

    /// The id and the text of a notice that stands for a message.
    pub fn notice(&self, number: u32) -> (Uuid, String) {
        let mut text = Vec::with_capacity(512);
        self.finder.write(&mut text, number);
        let id = self.group.run.client_id(0, number, 0).0;
        (id, String::from_utf8_lossy(&text).into_owned())
    }

    /// The frame that publishes a message.
    pub fn publish(&self, number: u32) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        self.kind.publish(&mut out, number, &self.finder, &self.group.run, self.group.id);
        out
    }
}
