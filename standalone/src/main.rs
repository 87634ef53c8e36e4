//! `tidings`: the whole of Tidings in one process, for a laptop or a small team.

mod admin;
mod backup;
mod capacity;
mod config;
mod data_folder;
mod dead;
mod embedded;
mod explain;
mod moment;
mod prepared;
mod token;
mod verify;
mod welcome;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::{Args, Parser, Subcommand};
use platform::config::{ConfigErrors, Source, VALID, one_line};

use crate::capacity::CapacityArguments;
use crate::config::{ENV_PREFIX, TidingsConfig};
use crate::dead::DeadArguments;
use crate::embedded::Ended;
use crate::explain::ExplainArguments;
use crate::token::TokenArguments;
use crate::verify::VerifyArguments;

/// Connections come and go in great numbers: an allocator that gives their memory back.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Real-time messaging in one process: chat page, WebSockets, REST, a SQLite file.
///
/// Without a command it serves. Every key of the configuration can also be given as an environment
/// variable: `telemetry.log_filter` is `TIDINGS__TELEMETRY__LOG_FILTER`.
#[derive(Debug, Parser)]
#[command(name = "tidings", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves until Ctrl-C or SIGTERM (the default).
    Serve(ServeArguments),
    /// Finds every mistake that `serve` with the same options would find at its start, and ends.
    CheckConfig(ServeArguments),
    /// Prints a token for a user of the server on the same data folder, and nothing else.
    Token {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        token: TokenArguments,
    },
    /// Copies the messages as they are at one moment into a new file, also while a server is running.
    Backup {
        #[command(flatten)]
        place: Place,
        /// The file of the copy; it must not exist yet.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Says that the messages were put back from a copy, so that no device keeps some that are not there any more. The
    /// server must not be running.
    Restored {
        #[command(flatten)]
        place: Place,
    },
    /// Compares what is stored of messages with what their logs say, also while a server is running.
    Verify {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        verify: VerifyArguments,
    },
    /// Lists, shows, replays and drops frames that were put aside because they do harm.
    Dead {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        dead: DeadArguments,
    },
    /// Measures for some seconds what this machine will carry, and says which limit comes first.
    Capacity {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        capacity: CapacityArguments,
    },
    /// Says what became of a message: stored when, who has it, and what it waits for.
    Explain {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        explain: ExplainArguments,
    },
}

#[derive(Debug, Args)]
struct Place {
    /// The folder of messages and signing secret [default: ./data].
    #[arg(long)]
    data: Option<PathBuf>,
    /// A TOML file; docs/configuration.md lists its keys.
    #[arg(long)]
    config: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct ServeArguments {
    /// Where the chat page, WebSockets and REST listen [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Where health and metrics listen [default: 127.0.0.1:9090].
    #[arg(long, value_name = "ADDRESS")]
    management_listen: Option<String>,
    /// Lets anybody sign in under any name [default: only when no other machine can reach it].
    #[arg(long, overrides_with = "no_dev_tokens")]
    dev_tokens: bool,
    /// Takes only tokens that were signed elsewhere or by `tidings token`.
    #[arg(long, overrides_with = "dev_tokens")]
    no_dev_tokens: bool,
    #[command(flatten)]
    place: Place,
}

/// What a mistake at the start ends with.
const BAD_START: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    platform::install_crypto_provider();
    let arguments = Arguments::parse();
    let ended = match arguments.command.unwrap_or(Command::Serve(arguments.serve)) {
        Command::Serve(arguments) => serve(arguments).await,
        Command::CheckConfig(arguments) => check_config(arguments),
        Command::Token { place, token } => print_token(place, token),
        Command::Backup { place, to } => back_up(place, &to).await,
        Command::Restored { place } => note_restore(place).await,
        Command::Verify { place, verify } => print_verified(place, verify).await,
        Command::Dead { place, dead } => print_dead(place, dead).await,
        Command::Capacity { place, capacity } => print_capacity(place, capacity).await,
        Command::Explain { place, explain } => print_explanation(place, explain).await,
    };
    match ended {
        Ok(Ended::AsAsked) => ExitCode::SUCCESS,
        Ok(Ended::ByItself) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{}", one_line(error.as_ref()));
            ExitCode::from(BAD_START)
        }
    }
}

async fn serve(arguments: ServeArguments) -> anyhow::Result<Ended> {
    let dev_tokens = arguments.dev_tokens();
    let source = arguments.source();
    let complete = |config| arguments.complete(config);
    let (data, prepared) = prepared::for_serving(&source, dev_tokens, complete)?;
    Box::pin(embedded::serve(data, prepared, dev_tokens)).await
}

fn check_config(arguments: ServeArguments) -> anyhow::Result<Ended> {
    let dev_tokens = arguments.dev_tokens();
    let source = arguments.source();
    prepared::for_checking(&source, dev_tokens, |config| arguments.complete(config))?;
    println!("{VALID}");
    Ok(Ended::AsAsked)
}

impl ServeArguments {
    fn source(&self) -> Source {
        Source::from_process(self.place.config.clone(), ENV_PREFIX)
    }

    /// What stands in the command goes before the file and the environment.
    fn complete(self, mut config: TidingsConfig) -> TidingsConfig {
        config.data = self.place.data.unwrap_or(config.data);
        config.listen = self.listen.unwrap_or(config.listen);
        config.management_listen = self.management_listen.unwrap_or(config.management_listen);
        config
    }

    fn dev_tokens(&self) -> Option<bool> {
        match (self.dev_tokens, self.no_dev_tokens) {
            (false, false) => None,
            (on, _) => Some(on),
        }
    }
}

fn print_token(place: Place, arguments: TokenArguments) -> anyhow::Result<Ended> {
    println!("{}", token::token(arguments, &load(place)?, SystemTime::now())?);
    Ok(Ended::AsAsked)
}

async fn back_up(place: Place, to: &Path) -> anyhow::Result<Ended> {
    println!("{}", backup::back_up(&load(place)?.data, to).await?);
    Ok(Ended::AsAsked)
}

async fn note_restore(place: Place) -> anyhow::Result<Ended> {
    println!("{}", backup::restored(&load(place)?.data).await?);
    Ok(Ended::AsAsked)
}

async fn print_verified(place: Place, arguments: VerifyArguments) -> anyhow::Result<Ended> {
    println!("{}", verify::verify(&load(place)?.data, arguments).await?);
    Ok(Ended::AsAsked)
}

async fn print_explanation(place: Place, arguments: ExplainArguments) -> anyhow::Result<Ended> {
    print!("{}", explain::explain(arguments, &load(place)?).await?);
    Ok(Ended::AsAsked)
}

async fn print_dead(place: Place, arguments: DeadArguments) -> anyhow::Result<Ended> {
    print!("{}", dead::dead(arguments, &load(place)?).await?);
    Ok(Ended::AsAsked)
}

async fn print_capacity(place: Place, arguments: CapacityArguments) -> anyhow::Result<Ended> {
    println!("{}", capacity::measure(arguments, &load(place)?).await?);
    Ok(Ended::AsAsked)
}

fn load(place: Place) -> Result<TidingsConfig, ConfigErrors> {
    let source = Source::from_process(place.config, ENV_PREFIX);
    let mut config: TidingsConfig = platform::config::load(&source)?;
    config.data = place.data.unwrap_or(config.data);
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serve_is_the_default_command() {
        let parse = |line: &str| Arguments::try_parse_from(line.split(' '));
        let bare = parse("tidings --listen 127.0.0.1:1 --data d").unwrap();
        assert!(bare.command.is_none());
        assert_eq!(bare.serve.listen.as_deref(), Some("127.0.0.1:1"));
        let named = parse("tidings serve --no-dev-tokens --dev-tokens").unwrap();
        let Some(Command::Serve(serve)) = named.command else { panic!("{named:?}") };
        assert!(serve.dev_tokens && !serve.no_dev_tokens, "the last one counts");
        assert!(parse("tidings --listen 127.0.0.1:1 token --user ann").is_err());
        assert!(parse("tidings token").is_err(), "whose?");
    }
}
