//! The all-in-one binary `tidings`: the three services in one process on embedded backends.

mod config;
mod data_folder;
mod embedded;
mod token;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// Allocates with fewer locks and gives memory back; the system's would keep a storm's memory.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Self-hosted chat and presence in one process.
///
/// Keeps everything in one folder and needs nothing else. `tidings serve` is the default command.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves until Ctrl-C (the default).
    Serve(Serve),
    /// Prints a token for a user, and nothing else.
    Token(token::Arguments),
}

/// What `serve` takes.
#[derive(Debug, Clone, Args)]
struct Serve {
    /// Where sockets, REST and the chat page listen.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: String,
    /// Where health and metrics listen.
    #[arg(long, default_value = "127.0.0.1:9090")]
    management_listen: String,
    /// Where messages and the signing secret are kept.
    #[arg(long, default_value = "./data")]
    data: PathBuf,
    /// A TOML file; docs/configuration.md lists its keys.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Anybody may sign in under any name. On where only this machine can connect, off elsewhere.
    #[arg(long, overrides_with = "no_dev_tokens")]
    dev_tokens: bool,
    /// Only holders of a token sign in.
    #[arg(long)]
    no_dev_tokens: bool,
}

/// What a mistake in the configuration or its surroundings ends with.
const BAD_CONFIGURATION: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    platform::install_crypto_provider();
    let arguments = Arguments::parse();
    let ended = match arguments.command {
        Some(Command::Token(arguments)) => token::print(&arguments),
        Some(Command::Serve(serve)) => embedded::serve(serve).await,
        None => embedded::serve(arguments.serve).await,
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(BAD_CONFIGURATION)
        }
    }
}
