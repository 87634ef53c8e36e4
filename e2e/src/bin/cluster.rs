//! `cluster`: a cluster of its own on the real backends, for programs that are not written in Rust. It prints one
//! line `listening gateway-0=… gateway-1=…`, then obeys one command a line of its standard input, such as
//! `restart gateway-0 KILL`, and answers each with one line of JSON. It ends at the end of its input or when it is
//! told to, and takes everything it made on the backends with it.
//!
//! Must not decide what is broken when: the program that writes the commands does.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use e2e::cluster::Cluster;
use e2e::process::Process;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// A process that is told to stop is given so long.
const STOP: Duration = Duration::from_secs(30);

#[derive(Parser)]
#[command(about = "Two gateways, two chat services and a presence service on the real backends")]
struct Options {
    /// Begins the names of the log files.
    #[arg(long, default_value = "cluster")]
    label: String,
    /// `KEY=VALUE`: an environment variable of those services that know its prefix; may be repeated.
    #[arg(long = "set", value_parser = pair)]
    settings: Vec<(String, String)>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("KEY=VALUE is wanted")?;
    Ok((key.to_owned(), value.to_owned()))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    let settings: Vec<_> =
        options.settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return ExitCode::FAILURE };
    let mut cluster = Cluster::start_with(&options.label, &settings).await;
    println!(
        "listening gateway-0={} gateway-1={}",
        cluster.gateway_address(0),
        cluster.gateway_address(1)
    );
    let mut lines = commands();
    loop {
        // The sender of commands waits for each answer, so nothing is cut off in the middle of one.
        let line = tokio::select! {
            line = lines.recv() => line,
            _ = terminate.recv() => break,
        };
        let Some(line) = line else { break };
        match obey(&mut cluster, &line).await {
            Ok(evidence) => println!("{}", json!({ "evidence": evidence })),
            Err(error) => println!("{}", json!({ "error": error })),
        }
    }
    cluster.stop().await;
    ExitCode::SUCCESS
}

/// The lines of standard input, read by a thread that ends with them or with the process.
fn commands() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Does what the line says; answers what shows it.
async fn obey(cluster: &mut Cluster, line: &str) -> Result<String, String> {
    let words: Vec<_> = line.split_whitespace().collect();
    let ["restart", name, signal] = words[..] else {
        return Err(format!("`restart NAME KILL|TERM` is wanted, not `{line}`"));
    };
    let unknown = || format!("there is no process {name}");
    let (kind, index) = name.rsplit_once('-').unwrap_or((name, "0"));
    let index: usize = index.parse().map_err(|_| unknown())?;
    let process = match kind {
        "gateway" => cluster.gateways.get_mut(index),
        "chat" => cluster.chats.get_mut(index),
        "presence" => Some(&mut cluster.presence),
        _ => None,
    };
    let process = process.ok_or_else(unknown)?;
    let pid = process.pid();
    let end = end(process, signal).await?;
    let again = match kind {
        "gateway" => cluster.start_gateway(index).await,
        "chat" => cluster.start_chat(index).await,
        _ => cluster.start_presence().await,
    };
    let evidence = format!("pid {pid} {end}, pid {} serves", again.pid());
    match kind {
        "gateway" => cluster.gateways[index] = again,
        "chat" => cluster.chats[index] = again,
        _ => cluster.presence = again,
    }
    Ok(evidence)
}

async fn end(process: &mut Process, signal: &str) -> Result<String, String> {
    match signal {
        "KILL" => {
            process.kill().await;
            Ok("was killed".to_owned())
        }
        "TERM" => {
            let status = process.terminate(STOP).await;
            if status.success() {
                Ok("has ended in order".to_owned())
            } else {
                Err(format!("{status}"))
            }
        }
        _ => Err(format!("there is no signal {signal}")),
    }
}
