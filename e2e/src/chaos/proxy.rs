//! The fault proxy as a child process, with all links of the run.

use std::net::SocketAddr;
use std::process::Stdio;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

use crate::process::command;

/// A running proxy; ends with its standard input.
#[derive(Debug)]
pub struct FaultProxy {
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

/// What a link has seen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen {
    /// Connections open now.
    pub open: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections that a fault ended.
    pub broken: u64,
    /// Chunks that a fault held back.
    pub held: u64,
    /// Bytes forwarded to the upstream.
    pub up_bytes: u64,
    /// Bytes forwarded to the client.
    pub down_bytes: u64,
}

impl FaultProxy {
    /// Starts it with these links: name, where it listens, where it forwards to.
    pub async fn start(links: &[(String, SocketAddr, SocketAddr)]) -> anyhow::Result<Self> {
        let mut arguments = vec!["proxy".to_owned()];
        for (name, listen, upstream) in links {
            arguments.extend(["--link".to_owned(), format!("{name}={listen},{upstream}")]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut child = command("fleet", &arguments, &[])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("the fault proxy cannot be started")?;
        let input = child.stdin.take().context("a pipe")?;
        let mut output = BufReader::new(child.stdout.take().context("a pipe")?).lines();
        match output.next_line().await? {
            Some(line) if line.starts_with("listening ") => {}
            other => bail!("the fault proxy did not start: {other:?}"),
        }
        Ok(Self { _child: child, input, output })
    }

    /// Gives an order to a link; what it has seen so far.
    pub async fn tell(&mut self, link: &str, mut order: Value) -> anyhow::Result<Seen> {
        order["link"] = link.into();
        self.input.write_all(format!("{order}\n").as_bytes()).await?;
        let line = self.output.next_line().await?.context("the fault proxy has ended")?;
        let answer: Value = serde_json::from_str(&line)?;
        let seen = &answer["links"][link];
        let count = |name: &str| seen[name].as_u64();
        let (Some(open), Some(accepted)) = (count("open"), count("accepted")) else {
            bail!("the fault proxy says {line}");
        };
        let more = |name: &str| count(name).unwrap_or(0);
        Ok(Seen {
            open,
            accepted,
            broken: more("broken"),
            held: more("held"),
            up_bytes: more("up_bytes"),
            down_bytes: more("down_bytes"),
        })
    }

    /// What a link has seen so far.
    pub async fn seen(&mut self, link: &str) -> anyhow::Result<Seen> {
        self.tell(link, json!({ "fault": "seen" })).await
    }
}
