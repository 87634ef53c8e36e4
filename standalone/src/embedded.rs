//! The three services in this process: the in-process bus, a SQLite file, presence in memory, gRPC over
//! pipes. They are built and run as in the cluster; only what they stand on differs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use bus::Bus;
use bus::in_process::InProcessBus;
use chat_service::ChatService;
use chat_service::push::PreparedPush;
use chat_service::store::sqlite::SqliteStore;
use gateway::config::LimitsConfig;
use gateway::tenants::{DevSigners, TenantList};
use gateway::{Gateway, Login};
use platform::address::Addresses;
use platform::admin::{self, Admin};
use platform::grpc::{Incoming, in_memory};
use platform::metrics::Metrics;
use platform::monitor::Observed;
use platform::readiness::Readiness;
use platform::reload::Reload;
use platform::shutdown::{Shutdown, Tasks};
use platform::telemetry::{PreparedTelemetry, Telemetry};
use platform::token::{self, Verifier};
use presence_service::PresenceService;
use presence_service::store::memory::MemoryStore;
use proto::id::{GatewayId, TenantId};
use tokio::net::TcpListener;

use crate::config::TidingsConfig;
use crate::data_folder::DataFolder;
use crate::prepared::Prepared;
use crate::welcome::{Welcome, say};

/// Users whose last-seen time and choice are remembered: some 20 MiB.
const PRESENCE_USERS: usize = 100_000;
/// How long what was cut off may take to notice.
const JOIN: Duration = Duration::from_secs(5);

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By a signal.
    AsAsked,
    /// A part ended that should not have; the log says which.
    ByItself,
}

/// Serves until a signal. An error is a mistake at the start: nothing has run.
pub async fn serve(
    data: DataFolder,
    prepared: Prepared,
    dev_tokens: Option<bool>,
) -> Result<Ended> {
    let Prepared {
        mut config,
        verifier,
        signer,
        tenants,
        mut dev_signers,
        login,
        push,
        telemetry,
        monitor,
    } = prepared;
    let (listener, management) = bind(&config).await?;
    let address = listener.local_addr()?;
    data.listens_at(address)?;
    let (signs, gives) = (signer.is_some(), config.gives_dev_tokens(dev_tokens, address));
    let verifier = Arc::new(verifier);
    if let Some(signer) = signer.filter(|_| gives) {
        dev_signers.add(TenantId::DEFAULT, Arc::new(signer));
    }
    // Asked for in words they are for everybody, else for this machine.
    config.auth.dev_tokens |= dev_tokens == Some(true);
    let ground = ground(&config, &data, telemetry).await?;

    let (tasks, shutdown) = (Tasks::new(), Shutdown::new());
    let reload = Reload::new();
    shutdown.on_signals(&tasks, Duration::from_millis(config.stop_grace_ms), &reload);
    token::rotate(
        Arc::clone(&verifier),
        dev_signers.all(),
        &ground.metrics,
        &reload,
        &tasks,
        &shutdown,
    );
    let admin = admin::start(management, ground.admin(address))?;
    monitor.start(Observed {
        metrics: &ground.metrics,
        readiness: &ground.readiness,
        service: "tidings",
        instance: address.to_string(),
        addresses: &Addresses::new(&ground.metrics, &reload, &tasks, &shutdown),
        tasks: &tasks,
        shutdown: &shutdown,
    });
    let tokens = Tokens { verifier, tenants, dev_signers, login };
    let house = House::build(&config, &data, &ground, tokens, push, listener)?;
    let welcome = Welcome {
        address,
        management: admin.address(),
        data: data.path(),
        dev_tokens: gives,
        signs,
    };
    let (ended, ()) =
        tokio::join!(house.run(&shutdown), greet(&welcome, &ground.readiness, &shutdown));
    ground.close().await;
    join(&tasks, &shutdown).await;
    if ended == Ended::AsAsked {
        data.close();
    }
    Ok(ended)
}

async fn join(tasks: &Tasks, shutdown: &Shutdown) {
    shutdown.force();
    if let Err(late) = tasks.join(JOIN).await {
        tracing::warn!(?late, "tasks did not end");
    }
}

/// Says where it listens once everything is there, and that it stops.
async fn greet(welcome: &Welcome<'_>, readiness: &Readiness, shutdown: &Shutdown) {
    tokio::select! {
        () = readiness.until_ready() => welcome.print(),
        () = shutdown.begun() => {}
    }
    shutdown.begun().await;
    say("Stopping. Ctrl-C again stops at once.");
}

/// What all parts stand on.
async fn ground(
    config: &TidingsConfig,
    data: &DataFolder,
    telemetry: PreparedTelemetry,
) -> Result<Ground> {
    let telemetry = telemetry.start("tidings");
    if data.is_secret_exposed() {
        tracing::warn!(data = %data.path().display(), "others can read the signing secret");
    }
    let file = data.database_file()?;
    let store = SqliteStore::open(&file).await.with_context(|| file.display().to_string())?;
    Ok(Ground {
        bus: Arc::new(InProcessBus::new(config.bus.clone())),
        store,
        metrics: Metrics::new(),
        readiness: Readiness::new(),
        telemetry,
    })
}

/// For clients, and for those who operate it.
async fn bind(config: &TidingsConfig) -> Result<(TcpListener, std::net::TcpListener)> {
    let clients = TcpListener::bind(&config.listen)
        .await
        .with_context(|| format!("cannot listen on {} (--listen)", config.listen))?;
    let management = std::net::TcpListener::bind(&config.management_listen).with_context(|| {
        format!("cannot listen on {} (--management-listen)", config.management_listen)
    })?;
    Ok((clients, management))
}

/// What the services stand on.
struct Ground {
    bus: Arc<InProcessBus>,
    store: SqliteStore,
    metrics: Metrics,
    readiness: Readiness,
    telemetry: Telemetry,
}

impl Ground {
    fn admin(&self, address: SocketAddr) -> Admin {
        Admin {
            readiness: self.readiness.clone(),
            metrics: self.metrics.clone(),
            service: "tidings",
            instance: address.to_string(),
        }
    }

    async fn close(self) {
        self.bus.close().await;
        self.store.close().await;
        self.telemetry.flush().await;
    }
}

/// How users come in.
struct Tokens {
    verifier: Arc<Verifier>,
    tenants: TenantList,
    dev_signers: DevSigners,
    login: Login,
}

fn gateway_settings(
    config: &TidingsConfig,
    tenants: TenantList,
    login: Login,
) -> Result<gateway::Settings> {
    Ok(gateway::Settings {
        // The only one: it need not differ from any other.
        gateway_id: GatewayId::parse("tidings")?,
        allowed_origins: config.allowed_origins.clone(),
        tenants,
        dev_tokens_for_all: config.auth.dev_tokens,
        leeway_secs: config.auth.leeway_secs,
        // There is no other gateway to go to: clients wait for this one.
        limits: LimitsConfig { drain_window_ms: 0, ..config.limits.clone() },
        admission: config.admission.clone(),
        allow: config.allow,
        login,
        // The section is that of the chat service, too; of its types a gateway tells its own.
        events: gateway::EventsConfig {
            types: config.events.types.clone(),
            ..gateway::EventsConfig::default()
        },
        network: config.network.clone(),
        rebalance: gateway::RebalanceConfig::default(),
        servers: gateway::Servers::default(),
        files: platform::files::raise_limit(),
    })
}

/// The three services, wired to each other.
struct House {
    gateway: (Gateway, Shutdown),
    chat: (ChatService, Incoming),
    presence: (PresenceService, Incoming),
}

impl House {
    fn build(
        config: &TidingsConfig,
        data: &DataFolder,
        ground: &Ground,
        Tokens { verifier, tenants, dev_signers, login }: Tokens,
        push: PreparedPush,
        listener: TcpListener,
    ) -> Result<Self> {
        let bus: Arc<dyn Bus> = Arc::<InProcessBus>::clone(&ground.bus);
        let (metrics, readiness) = (&ground.metrics, &ground.readiness);
        let (to_chat, chat_calls) = in_memory();
        let (to_presence, presence_calls) = in_memory();
        let adapters = chat_service::Adapters {
            bus: Arc::clone(&bus),
            store: Arc::new(ground.store.clone()),
            presence: to_presence.clone(),
            metrics: metrics.clone(),
            readiness: readiness.clone(),
            tracer: ground.telemetry.tracer(),
            after_unclean_end: data.after_unclean_end(),
            roles: chat_service::config::Role::ALL.to_vec(),
            followers: config.followers.clone(),
            events: config.events.clone(),
            sinks: Vec::new(),
            webhooks: config.webhooks.clone(),
            messages: config.messages,
            push,
            notices: config.notices.clone(),
        };
        let (lanes, queries) = (config.lanes.clone(), config.queries.clone());
        let chat = chat_service::build(lanes, queries, config.revocations.clone(), adapters);
        let presence = presence_service::build(
            config.presence.clone(),
            presence_service::Adapters {
                bus: Arc::clone(&bus),
                store: Arc::new(MemoryStore::with(config.leases.clone(), PRESENCE_USERS)),
                chat: to_chat.clone(),
                metrics: metrics.clone(),
                readiness: readiness.clone(),
                tracer: ground.telemetry.tracer(),
                // As for the gateway: of the types it tells its own.
                events: presence_service::EventsConfig { types: config.events.types.clone() },
            },
        );
        let gateway_stop = Shutdown::new();
        let gateway = gateway::build(
            gateway_settings(config, tenants, login)?,
            gateway::Adapters {
                bus,
                chat: to_chat,
                presence: to_presence,
                verifier,
                dev_signers,
                metrics: metrics.clone(),
                readiness: readiness.clone(),
                tracer: ground.telemetry.tracer(),
            },
            listener,
            gateway_stop.clone(),
        );
        Ok(Self {
            gateway: (gateway, gateway_stop),
            chat: (chat, chat_calls),
            presence: (presence, presence_calls),
        })
    }

    /// Runs everything until `shutdown` has begun. Then, one after the other: the gateway, which still
    /// needs both others for signing its connections off; chat, which finishes its batches; presence.
    async fn run(self, shutdown: &Shutdown) -> Ended {
        let by_itself = Arc::new(AtomicBool::new(false));
        let end = || End { shutdown: shutdown.clone(), by_itself: Arc::clone(&by_itself) };
        let (gateway, gateway_stop) = self.gateway;
        let ((chat, chat_calls), chat_stop) = (self.chat, Shutdown::new());
        let ((presence, presence_calls), presence_stop) = (self.presence, Shutdown::new());
        let chat = chat.run(chat_calls, chat_stop.clone());
        let presence = presence.run(presence_calls, presence_stop.clone());
        let parts = [
            Part::start("gateway", gateway_stop, end(), gateway.run()),
            Part::start("chat service", chat_stop, end(), chat),
            Part::start("presence service", presence_stop, end(), presence),
        ];
        shutdown.begun().await;
        for part in parts {
            part.stop(shutdown).await;
        }
        if by_itself.load(Ordering::Relaxed) { Ended::ByItself } else { Ended::AsAsked }
    }
}

/// A running service.
struct Part {
    name: &'static str,
    stop: Shutdown,
    tasks: Tasks,
}

impl Part {
    fn start<F>(name: &'static str, stop: Shutdown, end: End, running: F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let tasks = Tasks::new();
        tasks.spawn(name, async move {
            let _end = end;
            running.await;
        });
        Self { name, stop, tasks }
    }

    /// Lets it finish, until everything is forced.
    async fn stop(self, all: &Shutdown) {
        self.stop.begin();
        tokio::select! {
            _ = self.tasks.join(Duration::MAX) => {
                tracing::info!(service = self.name, "stopped");
                return;
            }
            () = all.forced() => self.stop.force(),
        }
        if let Err(late) = self.tasks.join(JOIN).await {
            tracing::warn!(?late, "does not end");
        }
    }
}

/// A part that ends, by return or by panic, takes the others with it: half a house serves nobody.
struct End {
    shutdown: Shutdown,
    by_itself: Arc<AtomicBool>,
}

impl Drop for End {
    fn drop(&mut self) {
        if !self.shutdown.is_begun() {
            tracing::error!("a service ended by itself");
            self.by_itself.store(true, Ordering::Relaxed);
            self.shutdown.begin();
        }
    }
}
