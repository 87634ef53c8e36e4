//! Five processes on real backends: two gateways, two chat services, one presence service.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::backends::{Names, amqp_url, redis_url};
use crate::eventually::eventually;
use crate::process::{Process, binary};
use crate::second_tenant;
use crate::token::SECRET;

/// A running cluster. Call [`Cluster::stop`] at the end: it removes what it made on the backends.
#[derive(Debug)]
pub struct Cluster {
    /// What it is called on the backends.
    pub names: Names,
    /// The edge.
    pub gateways: Vec<Process>,
    /// Both serve all partitions; each partition is active in one.
    pub chats: Vec<Process>,
    /// Who is where.
    pub presence: Process,
    host: Ipv4Addr,
    label: String,
    /// Further environment variables of what is started from now on, as `start_with` takes them.
    pub settings: Vec<(String, String)>,
    /// The folder of the binaries that are started from now on; those that were built with the test where it is `None`.
    pub binaries: Option<PathBuf>,
}

impl Cluster {
    /// Starts all five and waits until each is ready.
    pub async fn start(label: &str) -> Self {
        Self::start_with(label, &[]).await
    }

    /// The same with further environment variables, above its own, for every process that knows their
    /// prefix.
    pub async fn start_with(label: &str, settings: &[(&str, &str)]) -> Self {
        let cluster = Self::launch(label, settings).await;
        cluster.ready().await;
        cluster
    }

    /// Starts all five and waits for nothing; the settings go over everything else, `{host}` in
    /// them becomes the address of the cluster, and `{database}` in those of the chat service the name of the
    /// test's database.
    pub async fn launch(label: &str, settings: &[(&str, &str)]) -> Self {
        Self::launch_on(Names::create().await, label, settings, None).await
    }

    /// Starts all five by binaries from elsewhere and waits until each is ready.
    pub async fn start_from(binaries: &Path, label: &str, settings: &[(&str, &str)]) -> Self {
        let binaries = Some(binaries.to_owned());
        let cluster = Self::launch_on(Names::create().await, label, settings, binaries).await;
        cluster.ready().await;
        cluster
    }

    /// What `launch` does under names that are there already, and by binaries from elsewhere.
    pub async fn launch_on(
        names: Names,
        label: &str,
        settings: &[(&str, &str)],
        binaries: Option<PathBuf>,
    ) -> Self {
        // An address of its own on loopback: fixed ports without meeting another test's, so that a
        // killed process can come back at the same place.
        let host = Ipv4Addr::new(127, random_octet(), random_octet(), random_octet());
        let settings: Vec<_> =
            settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let program = program(binaries.as_deref(), "presence-service");
        let presence = start_presence(&program, label, &names, host, &settings).await;
        let mut cluster = Self {
            names,
            gateways: vec![],
            chats: vec![],
            presence,
            host,
            label: label.to_owned(),
            settings,
            binaries,
        };
        for index in 0..2 {
            let chat = cluster.start_chat(index).await;
            cluster.chats.push(chat);
        }
        for index in 0..2 {
            let gateway = cluster.start_gateway(index).await;
            cluster.gateways.push(gateway);
        }
        cluster
    }

    /// Starts the chat service of that index; also after it was killed.
    pub async fn start_chat(&self, index: usize) -> Process {
        let mut environment = variables(
            "TIDINGS_CHAT__",
            &[
                ("GRPC_LISTEN", format!("{}:{}", self.host, 7010 + index)),
                ("MANAGEMENT_LISTEN", format!("{}:0", self.host)),
                ("AMQP__URL", amqp_url()),
                ("AMQP__PREFIX", self.names.prefix.clone()),
                ("DATABASE__URL", self.names.database_url()),
                ("PRESENCE_GRPC__URLS", urls(self.host, &[7020])),
            ],
        );
        let settings = own(&self.settings, "TIDINGS_CHAT__", self.host);
        // The name of the database is made here, after the caller wrote the address.
        let named =
            |(key, value): (String, String)| (key, value.replace("{database}", &self.names.prefix));
        environment.extend(settings.into_iter().map(named));
        let program = program(self.binaries.as_deref(), "chat-service");
        Process::start_at(&format!("{}-chat-{index}", self.label), &program, &[], &environment)
            .await
    }

    /// Starts the gateway of that index; also after it was killed.
    pub async fn start_gateway(&self, index: usize) -> Process {
        let mut environment = variables(
            "TIDINGS_GATEWAY__",
            &[
                ("GATEWAY_ID", format!("gateway-{index}")),
                ("LISTEN", format!("{}:{}", self.host, 8080 + index)),
                ("MANAGEMENT_LISTEN", format!("{}:0", self.host)),
                ("AMQP__URL", amqp_url()),
                ("AMQP__PREFIX", self.names.prefix.clone()),
                ("AUTH__HS256_SECRET", SECRET.to_owned()),
                // A test that is not about leaving stops at once.
                ("LIMITS__DRAIN_WINDOW_MS", "0".to_owned()),
                // All devices of a test share one address.
                ("ADMISSION__EXEMPT_NETWORKS", "[\"127.0.0.0/8\"]".to_owned()),
                ("CHAT_GRPC__URLS", urls(self.host, &[7010, 7011])),
                ("PRESENCE_GRPC__URLS", urls(self.host, &[7020])),
            ],
        );
        environment.extend(own(&self.settings, "TIDINGS_GATEWAY__", self.host));
        // Binaries of before may know no tenants.
        if self.binaries.is_none() {
            environment.extend(second_tenant::setting("TIDINGS_GATEWAY__", &self.settings));
        }
        let program = program(self.binaries.as_deref(), "gateway");
        Process::start_at(&format!("{}-gateway-{index}", self.label), &program, &[], &environment)
            .await
    }

    /// Starts the presence service again, after it was stopped.
    pub async fn start_presence(&self) -> Process {
        let program = program(self.binaries.as_deref(), "presence-service");
        start_presence(&program, &self.label, &self.names, self.host, &self.settings).await
    }

    /// Waits until every process says it is ready.
    pub async fn ready(&self) {
        let all = self.gateways.iter().chain(&self.chats).chain([&self.presence]);
        for process in all {
            ready(process.address("management")).await;
        }
    }

    /// `host:port` of a gateway.
    pub fn gateway_address(&self, index: usize) -> &str {
        self.gateways[index].address("http")
    }

    /// Every server process as `name=pid`, for the fleet's account of CPU time.
    pub fn pids(&self) -> Vec<(String, u32)> {
        let gateways = self.gateways.iter().map(|process| ("gateway".to_owned(), process.pid()));
        let chats = self.chats.iter().map(|process| ("chat".to_owned(), process.pid()));
        gateways.chain(chats).chain([("presence".to_owned(), self.presence.pid())]).collect()
    }

    /// Stops everything politely and removes the names from the backends.
    pub async fn stop(mut self) {
        let deadline = Duration::from_secs(30);
        for process in self.gateways.iter_mut().chain(&mut self.chats).chain([&mut self.presence]) {
            let status = process.terminate(deadline).await;
            assert!(
                status.success(),
                "a clean stop ends with 0, not {status}:\n{}",
                process.log_tail()
            );
        }
        self.names.remove().await;
    }
}

/// Waits until a management port says ready.
pub async fn ready(management: &str) {
    let url = format!("http://{management}/health/ready");
    eventually("ready", Duration::from_mins(1), || async {
        match reqwest::get(&url).await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(answer.text().await.unwrap_or_default()),
            Err(error) => Err(error.to_string()),
        }
    })
    .await;
}

fn program(folder: Option<&Path>, name: &str) -> PathBuf {
    folder.map_or_else(|| binary(name), |folder| folder.join(name))
}

async fn start_presence(
    program: &Path,
    label: &str,
    names: &Names,
    host: Ipv4Addr,
    settings: &[(String, String)],
) -> Process {
    let mut environment = variables(
        "TIDINGS_PRESENCE__",
        &[
            ("GRPC_LISTEN", format!("{host}:7020")),
            ("MANAGEMENT_LISTEN", format!("{host}:0")),
            ("AMQP__URL", amqp_url()),
            ("AMQP__PREFIX", names.prefix.clone()),
            ("REDIS__URL", redis_url()),
            ("REDIS__PREFIX", names.prefix.clone()),
            ("CHAT_GRPC__URLS", urls(host, &[7010, 7011])),
        ],
    );
    environment.extend(own(settings, "TIDINGS_PRESENCE__", host));
    Process::start_at(&format!("{label}-presence"), program, &[], &environment).await
}

/// The settings of one binary; the address of the cluster is made here, after the caller wrote them.
fn own(settings: &[(String, String)], prefix: &str, host: Ipv4Addr) -> Vec<(String, String)> {
    let own = settings.iter().filter(|(key, _)| key.starts_with(prefix));
    own.map(|(key, value)| (key.clone(), value.replace("{host}", &host.to_string()))).collect()
}

fn variables(prefix: &str, pairs: &[(&str, String)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| (format!("{prefix}{key}"), value.clone())).collect()
}

fn urls(host: Ipv4Addr, ports: &[u16]) -> String {
    let urls: Vec<String> = ports.iter().map(|port| format!("\"http://{host}:{port}\"")).collect();
    format!("[{}]", urls.join(", "))
}

fn random_octet() -> u8 {
    rand::random_range(2..=250)
}
