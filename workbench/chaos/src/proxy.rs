//! The fault proxy as a child process, with all links of the run.

use std::net::SocketAddr;
use std::process::Stdio;

use anyhow::{Context as _, bail};
use e2e::process::command;
use fault_proxy::{Fault, Seen};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

/// A running proxy; ends with its standard input.
#[derive(Debug)]
pub struct FaultProxy {
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
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

    /// Spoils a link from now on; what it has seen so far.
    pub async fn tell(&mut self, link: &str, fault: Fault) -> anyhow::Result<Seen> {
        self.order(link, serde_json::to_value(fault)?).await
    }

    /// What a link has seen so far.
    pub async fn seen(&mut self, link: &str) -> anyhow::Result<Seen> {
        self.order(link, json!({ "fault": "seen" })).await
    }

    async fn order(&mut self, link: &str, mut order: Value) -> anyhow::Result<Seen> {
        order["link"] = link.into();
        self.input.write_all(format!("{order}\n").as_bytes()).await?;
        let line = self.output.next_line().await?.context("the fault proxy has ended")?;
        let mut answer: Value = serde_json::from_str(&line)?;
        serde_json::from_value(answer["links"][link].take())
            .with_context(|| format!("the fault proxy says {line}"))
    }
}
