//! Starts the three services in this process and stops them in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bus::Bus;
use bus::in_process::InProcessBus;
use chat_service::store::sqlite::SqliteStore;
use platform::admin::{self, Admin};
use platform::config::Source;
use platform::grpc;
use platform::metrics::Metrics;
use platform::readiness::Readiness;
use platform::secret::Secret;
use platform::shutdown::{Shutdown, Tasks};
use platform::telemetry::Telemetry;
use platform::token::{AuthConfig, Signer, Verifier};
use presence_service::store::memory::MemoryStore;
use proto::id::GatewayId;
use tokio::net::TcpListener;

use crate::Serve;
use crate::config::{Config, ENV_PREFIX};
use crate::data_folder::DataFolder;

/// How long a service may take to end after the gateway did.
const SERVICE_STOP: Duration = Duration::from_secs(10);

/// Serves until Ctrl-C.
pub(crate) async fn serve(arguments: Serve) -> Result<()> {
    let source = Source::from_process(arguments.config.clone(), ENV_PREFIX);
    let config: Config = platform::config::load(&source)?;
    let folder = DataFolder::open(&arguments.data)?;
    let _lock = folder.lock()?;
    let listener = TcpListener::bind(&arguments.listen)
        .await
        .with_context(|| format!("--listen {}", arguments.listen))?;
    let management = std::net::TcpListener::bind(&arguments.management_listen)
        .with_context(|| format!("--management-listen {}", arguments.management_listen))?;
    let telemetry = platform::telemetry::init(&config.telemetry, "tidings")?;
    let store = SqliteStore::open(&folder.database())
        .await
        .with_context(|| folder.database().display().to_string())?;

    let address = listener.local_addr()?;
    let are_dev_tokens =
        arguments.dev_tokens || !arguments.no_dev_tokens && address.ip().is_loopback();
    let (metrics, readiness) = (Metrics::new(), Readiness::new());
    let admin = Admin {
        readiness: readiness.clone(),
        metrics: metrics.clone(),
        service: "tidings",
        instance: address.to_string(),
    };
    let admin = admin::start(management, admin)?;
    let secret = folder.secret()?;
    greet(address, admin.address(), &folder, are_dev_tokens);

    let process =
        Process { config, metrics, readiness, telemetry: &telemetry, store: store.clone() };
    process.run(listener, &secret, are_dev_tokens).await?;
    store.close().await;
    telemetry.flush().await;
    Ok(())
}

fn greet(address: SocketAddr, management: SocketAddr, folder: &DataFolder, are_dev_tokens: bool) {
    let data = folder.path().display();
    println!("Tidings serves its chat page on http://{address}");
    println!("Messages and the signing secret are in {data}");
    if are_dev_tokens {
        println!(
            "Sign in there with any name: development tokens are on (--no-dev-tokens turns them off)"
        );
    } else {
        println!("Sign in with a token, such as one of `tidings token --user alice --data {data}`");
    }
    println!("Ctrl-C stops it");
    // For scripts, and last: whoever waits for it may stop reading then.
    println!("listening http={address} management={management}");
}

struct Process<'a> {
    config: Config,
    metrics: Metrics,
    readiness: Readiness,
    telemetry: &'a Telemetry,
    store: SqliteStore,
}

impl Process<'_> {
    async fn run(self, listener: TcpListener, secret: &Secret, are_dev_tokens: bool) -> Result<()> {
        let auth = AuthConfig { hs256_secret: secret.clone(), ..AuthConfig::default() };
        let verifier = Arc::new(Verifier::from_config(&auth)?);
        let dev_signer = are_dev_tokens.then(|| Arc::new(Signer::hs256(secret, None, None)));
        let bus: Arc<dyn Bus> = Arc::new(InProcessBus::new(self.config.bus.clone()));
        let (chat_channel, chat_incoming) = grpc::in_memory();
        let (presence_channel, presence_incoming) = grpc::in_memory();

        // The gateway stops first; the services answer it until then.
        let (edge, services, signals) = (Shutdown::new(), Shutdown::new(), Tasks::new());
        edge.on_signals(&signals, Duration::from_millis(self.config.stop_grace_ms));
        let tasks = Tasks::new();

        let presence = presence_service::build(
            self.config.presence.clone(),
            presence_service::Adapters {
                bus: Arc::clone(&bus),
                store: Arc::new(MemoryStore::new()),
                chat: chat_channel.clone(),
                metrics: self.metrics.clone(),
                readiness: self.readiness.clone(),
                tracer: self.telemetry.tracer(),
            },
        );
        tasks.spawn("presence service", presence.run(presence_incoming, services.clone()));
        let chat = chat_service::build(
            self.config.lanes.clone(),
            self.config.queries.clone(),
            chat_service::Adapters {
                bus: Arc::clone(&bus),
                store: Arc::new(self.store.clone()),
                presence: presence_channel.clone(),
                metrics: self.metrics.clone(),
                readiness: self.readiness.clone(),
                tracer: self.telemetry.tracer(),
            },
        );
        tasks.spawn("chat service", chat.run(chat_incoming, services.clone()));
        let adapters = gateway::Adapters {
            bus: Arc::clone(&bus),
            chat: chat_channel,
            presence: presence_channel,
            verifier,
            dev_signer,
            metrics: self.metrics,
            readiness: self.readiness,
            tracer: self.telemetry.tracer(),
        };
        let settings = gateway::Settings {
            gateway_id: GatewayId::parse("all-in-one").context("gateway id")?,
            allowed_origins: self.config.allowed_origins,
            leeway_secs: auth.leeway_secs,
            limits: self.config.limits,
        };
        let gateway = gateway::build(settings, adapters, listener, edge.clone());
        gateway.run().await;

        services.begin();
        if let Err(late) = tasks.join(SERVICE_STOP).await {
            tracing::warn!(
                ?late,
                "services did not end; what was not acknowledged was not promised"
            );
        }
        bus.close().await;
        edge.force();
        services.force();
        // Ends with the edge's shutdown.
        let _ = signals.join(SERVICE_STOP).await;
        Ok(())
    }
}
