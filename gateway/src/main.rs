//! The binary `gateway`: reads the configuration, makes the adapters, runs the gateway.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bus::Bus;
use bus::rabbitmq::{Place, RabbitBus};
use clap::{Parser, Subcommand};
use gateway::config::prepared::Prepared;
use gateway::config::{ENV_PREFIX, GatewayConfig};
use gateway::{Adapters, Settings, build};
use platform::backend::{Backend, Reached};
use platform::config::Source;
use platform::service::{self, Service};
use platform::shutdown::Shutdown;
use platform::token;

/// The edge: WebSockets, REST and the chat page.
///
/// Needs RabbitMQ, the chat service and the presence service. Every key of the configuration can also
/// be given as an environment variable: `amqp.url` is `TIDINGS_GATEWAY__AMQP__URL`.
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
    let Prepared {
        mut config,
        gateway_id,
        amqp,
        chat,
        presence,
        login,
        servers,
        verifier,
        tenants,
        dev_signers,
        telemetry,
        monitor,
    } = platform::config::prepare(source, Prepared::of)?;
    let verifier = Arc::new(verifier);
    let (listener, management) = bind(&config).await?;
    // Calls are still made while the sockets are drained.
    let (shutdown, links) = (Shutdown::new(), Shutdown::new());
    let mut service = Service::begin("gateway", telemetry, shutdown.clone(), links);
    config.amqp.url = amqp.last_good().expose().to_owned();
    service.addresses.keep_backend(&amqp);
    let chat = chat.channel(&service.certificates, &service.tasks, &service.links);
    let presence = presence.channel(&service.certificates, &service.tasks, &service.links);
    let grace = Duration::from_millis(config.stop_grace_ms);
    let management = service.open(management, gateway_id.to_string(), monitor, grace)?;
    let Service { metrics, reload, tasks, .. } = &service;
    token::rotate(Arc::clone(&verifier), dev_signers.all(), metrics, reload, tasks, &shutdown);
    println!("listening http={} management={management}", listener.local_addr()?);
    tracing::info!(rabbitmq = config.amqp.place(), "depends on");

    let bus = Arc::new(RabbitBus::start_at(config.amqp, broker_at(amqp)));
    let adapters = Adapters {
        bus: bus.clone(),
        chat,
        presence,
        verifier,
        dev_signers,
        metrics: service.metrics.clone(),
        readiness: service.readiness.clone(),
        tracer: service.tracer(),
    };
    let settings = Settings {
        gateway_id,
        allowed_origins: config.allowed_origins,
        tenants,
        // There are none unless they were asked for.
        dev_tokens_for_all: true,
        leeway_secs: config.auth.leeway_secs,
        limits: config.limits,
        admission: config.admission,
        allow: config.allow,
        login,
        events: config.events,
        network: config.network,
        rebalance: config.rebalance,
        servers,
        files: platform::files::raise_limit(),
    };
    build(settings, adapters, listener, shutdown.clone()).run().await;
    bus.close().await;
    service.end().await;
    Ok(())
}

/// The listeners: for clients, and for management.
async fn bind(config: &GatewayConfig) -> Result<(tokio::net::TcpListener, std::net::TcpListener)> {
    let clients = tokio::net::TcpListener::bind(&config.listen)
        .await
        .with_context(|| format!("listen: {}", config.listen))?;
    let management = std::net::TcpListener::bind(&config.management_listen)
        .with_context(|| format!("management_listen: {}", config.management_listen))?;
    Ok((clients, management))
}

/// Where the broker is whenever a connection to it is opened.
fn broker_at(backend: Backend) -> impl Fn() -> Place + Send + Sync {
    move || {
        let Reached { url, authorities } = backend.present();
        Place { url: url.expose().to_owned(), authorities }
    }
}
