//! The binary `presence-service`: reads the configuration, makes the adapters, runs the service.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bus::Bus;
use bus::rabbitmq::{Place, RabbitBus};
use clap::{Parser, Subcommand};
use platform::backend::{Backend, Reached};
use platform::config::Source;
use platform::grpc::Incoming;
use platform::service::{self, Service};
use platform::shutdown::Shutdown;
use presence_service::config::ENV_PREFIX;
use presence_service::prepared::Prepared;
use presence_service::store::redis::RedisStore;
use presence_service::{Adapters, build};

/// Who is connected where, and in which state.
///
/// Needs RabbitMQ, Redis and the chat service. Every key of the configuration can also be given as an
/// environment variable: `redis.url` is `TIDINGS_PRESENCE__REDIS__URL`.
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
        Command::CheckConfig => service::check_config(&source, Prepared::of).map_err(Into::into),
    };
    service::exit(ended)
}

async fn run(source: &Source) -> Result<()> {
    let Prepared { mut config, amqp, redis, grpc_tls, chat, telemetry, monitor } =
        platform::config::prepare(source, Prepared::of)?;
    let grpc = tokio::net::TcpListener::bind(&config.grpc_listen)
        .await
        .with_context(|| format!("grpc_listen: {}", config.grpc_listen))?;
    let grpc_address = grpc.local_addr()?;
    let management = std::net::TcpListener::bind(&config.management_listen)
        .with_context(|| format!("management_listen: {}", config.management_listen))?;
    let shutdown = Shutdown::new();
    let mut service =
        Service::begin("presence-service", telemetry, shutdown.clone(), shutdown.clone());
    service.addresses.keep_backend(&amqp);
    service.addresses.keep_backend(&redis);
    config.amqp.url = amqp.last_good().expose().to_owned();
    config.redis.url = redis.last_good().expose().to_owned();
    let place = config.redis.place();
    let (readiness, tasks) = (&service.readiness, &service.tasks);
    let store = RedisStore::start(config.redis, redis, config.leases, readiness, tasks, &shutdown);
    let incoming = Incoming::listen(grpc, grpc_tls, &service.certificates);
    let chat = chat.channel(&service.certificates, tasks, &shutdown);
    let grace = Duration::from_millis(config.stop_grace_ms);
    let management = service.open(management, grpc_address.to_string(), monitor, grace)?;
    println!("listening grpc={grpc_address} management={management}");
    tracing::info!(rabbitmq = config.amqp.place(), redis = place, "depends on");

    let bus = Arc::new(RabbitBus::start_at(config.amqp, broker_at(amqp)));
    let adapters = Adapters {
        bus: bus.clone(),
        store: Arc::new(store),
        chat,
        metrics: service.metrics.clone(),
        readiness: service.readiness.clone(),
        tracer: service.tracer(),
        events: config.events,
    };
    Box::pin(build(config.presence, adapters).run(incoming, shutdown.clone())).await;
    bus.close().await;
    service.end().await;
    Ok(())
}

/// Where the broker is whenever a connection to it is opened.
fn broker_at(backend: Backend) -> impl Fn() -> Place + Send + Sync {
    move || {
        let Reached { url, authorities } = backend.present();
        Place { url: url.expose().to_owned(), authorities }
    }
}
