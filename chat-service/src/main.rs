//! The binary `chat-service`: reads the configuration, makes the adapters, runs the service.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bus::Bus;
use bus::rabbitmq::{Place, RabbitBus};
use chat_service::prepared::Prepared;
use chat_service::process_config::{ChatConfig, ENV_PREFIX};
use chat_service::store::postgres::{PostgresStore, indexes, statistics};
use chat_service::{Adapters, build};
use clap::{Parser, Subcommand};
use platform::backend::{Backend, Reached};
use platform::backoff::Backoff;
use platform::config::{Mistakes, Source};
use platform::grpc::Incoming;
use platform::readiness::{Cause, Readiness};
use platform::service::{self, Service};
use platform::shutdown::Shutdown;
use proto::id::{ConversationId, ConversationKey, TenantId};

/// Conversations, their logs, and the delivery of what was appended.
///
/// Needs RabbitMQ, Postgres and the presence service. Every key of the configuration can also be given
/// as an environment variable: `database.url` is `TIDINGS_CHAT__DATABASE__URL`.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// A TOML file; docs/configuration.md lists its keys.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Command {
    /// Serves until SIGTERM (the default).
    Run,
    /// Brings the tables up to date and ends.
    Migrate,
    /// Says that the database was restored from a backup, so that no device keeps messages that are not in it any more.
    NewEpoch,
    /// Compares what is stored of messages with what their logs say.
    Verify {
        /// This conversation alone.
        #[arg(long, value_name = "ID")]
        conversation: Option<uuid::Uuid>,
        /// The tenant of the conversation.
        #[arg(long, default_value = "default")]
        tenant: TenantId,
        /// Stores what the log says where something else is stored.
        #[arg(long)]
        mend: bool,
    },
    /// Finds every mistake in the configuration that a start would find, connects to nothing, and ends.
    CheckConfig,
}

#[tokio::main]
async fn main() -> ExitCode {
    platform::install_crypto_provider();
    let arguments = Arguments::parse();
    let source = Source::from_process(arguments.config, ENV_PREFIX);
    let ended = match arguments.command.unwrap_or(Command::Run) {
        Command::Run => Box::pin(run(&source)).await,
        Command::Migrate => migrate(&source).await,
        Command::NewEpoch => new_epoch(&source).await,
        Command::Verify { conversation, tenant, mend } => {
            let key = |id| ConversationKey::new(tenant, ConversationId(id));
            verify(&source, conversation.map(key), mend).await
        }
        Command::CheckConfig => service::check_config(&source, Prepared::of).map_err(Into::into),
    };
    service::exit(ended)
}

async fn migrate(source: &Source) -> Result<()> {
    let (store, place) = database_alone(source)?;
    store.migrate().await.with_context(|| format!("Postgres at {place}"))?;
    println!("the tables at {place} are up to date");
    Ok(())
}

async fn new_epoch(source: &Source) -> Result<()> {
    let (store, place) = database_alone(source)?;
    let epoch = store.begin_epoch().await.with_context(|| format!("Postgres at {place}"))?;
    println!("the database at {place} has the new epoch {epoch}: each device syncs anew");
    Ok(())
}

async fn verify(source: &Source, only: Option<ConversationKey>, mend: bool) -> Result<()> {
    let (store, place) = database_alone(source)?;
    let say = |mismatch: &chat_service::verify::Mismatch| println!("{mismatch}");
    let totals = chat_service::verify::walk(&store, only, mend, say).await;
    let totals = totals.with_context(|| format!("Postgres at {place}"))?;
    if totals.mismatches > totals.mended {
        anyhow::bail!("{totals}; `--mend` stores what the logs say");
    }
    println!("{totals}");
    Ok(())
}

/// What a command needs that works on the database: the rest of the configuration may be that of somewhere else.
fn database_alone(source: &Source) -> Result<(PostgresStore, String)> {
    let prepare = |mut config: ChatConfig, mistakes: &mut Mistakes| {
        config.database.url = mistakes.keep(config.database.address())?.last_good();
        let store = mistakes.keep(PostgresStore::new(&config.database))?;
        Some((store, config.database.place()))
    };
    Ok(platform::config::prepare(source, prepare)?)
}

async fn run(source: &Source) -> Result<()> {
    let Prepared { mut config, amqp, database, grpc_tls, presence, push, telemetry, monitor } =
        platform::config::prepare(source, Prepared::of)?;
    let grpc = tokio::net::TcpListener::bind(&config.grpc_listen)
        .await
        .with_context(|| format!("grpc_listen: {}", config.grpc_listen))?;
    let grpc_address = grpc.local_addr()?;
    let management = std::net::TcpListener::bind(&config.management_listen)
        .with_context(|| format!("management_listen: {}", config.management_listen))?;
    let shutdown = Shutdown::new();
    let mut service = Service::begin("chat-service", telemetry, shutdown.clone(), shutdown.clone());
    config.amqp.url = amqp.last_good().expose().to_owned();
    config.database.url = database.last_good();
    let store = PostgresStore::new(&config.database).context("database.url")?;
    service.addresses.keep_backend(&amqp);
    let (followed, settings) = (store.clone(), config.database.clone());
    service.addresses.keep(&database, move |url| followed.connect_to(&settings, url));
    let incoming = Incoming::listen(grpc, grpc_tls, &service.certificates);
    let presence = presence.channel(&service.certificates, &service.tasks, &shutdown);
    let grace = Duration::from_millis(config.stop_grace_ms);
    let management = service.open(management, grpc_address.to_string(), monitor, grace)?;
    println!("listening grpc={grpc_address} management={management}");

    if prepare(&config, &store, &service.readiness, &shutdown).await {
        tracing::info!(
            rabbitmq = config.amqp.place(),
            postgres = config.database.place(),
            "depends on"
        );
        let period = Duration::from_millis(config.database.statistics_ms.max(100));
        service
            .tasks
            .spawn("statistics", statistics::keep(store.clone(), period, shutdown.clone()));
        service.tasks.spawn("indexes", indexes::build(store.clone(), shutdown.clone()));
        let bus = Arc::new(RabbitBus::start_at(config.amqp.clone(), broker_at(amqp)));
        let adapters = Adapters {
            bus: bus.clone(),
            store: Arc::new(store.clone()),
            presence,
            metrics: service.metrics.clone(),
            readiness: service.readiness.clone(),
            tracer: service.tracer(),
            // The broker remembers, and says what comes again.
            after_unclean_end: false,
            roles: config.roles,
            followers: config.followers,
            events: config.events,
            sinks: Vec::new(),
            webhooks: config.webhooks,
            messages: config.messages,
            push,
            notices: config.notices,
        };
        let chat = build(config.lanes, config.queries, config.revocations, adapters);
        Box::pin(chat.run(incoming, shutdown.clone())).await;
        bus.close().await;
    }
    store.close().await;
    service.end().await;
    Ok(())
}

/// Waits for the database and brings its tables up to date. False when stopping began first.
async fn prepare(
    config: &ChatConfig,
    store: &PostgresStore,
    readiness: &Readiness,
    shutdown: &Shutdown,
) -> bool {
    let place = config.database.place();
    let database = readiness.dependency(Cause::Database);
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    loop {
        let ready = match store.check().await {
            Ok(()) if config.database.migrate_at_start => {
                store.migrate().await.map_err(|error| error.to_string())
            }
            Ok(()) => Ok(()),
            Err(error) => Err(error.to_string()),
        };
        match ready {
            Ok(()) => break,
            Err(error) => database.down(format!("Postgres at {place}: {error}")),
        }
        tokio::select! {
            () = tokio::time::sleep(backoff.next_delay()) => {}
            () = shutdown.begun() => return false,
        }
    }
    if let Ok(settings) = store.unsafe_settings().await {
        for setting in settings {
            tracing::warn!(setting, "Postgres may lose what was acknowledged");
        }
    }
    if let Ok(true) = store.is_autovacuum_off().await {
        tracing::warn!("autovacuum of Postgres is off: tables grow by what is dead in them");
    }
    database.up();
    true
}

/// Where the broker is whenever a connection to it is opened.
fn broker_at(backend: Backend) -> impl Fn() -> Place + Send + Sync {
    move || {
        let Reached { url, authorities } = backend.present();
        Place { url: url.expose().to_owned(), authorities }
    }
}
