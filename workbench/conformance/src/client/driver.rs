//! The driver of the client as a process: told what to do by lines of JSON, saying what its app is given likewise.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::Instant;

use crate::checked::{Checked, broken};

/// How long it may take to end by itself.
const END: Duration = Duration::from_secs(5);

/// A running driver.
#[derive(Debug)]
pub(crate) struct Driver {
    child: Child,
    orders: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
}

impl Driver {
    /// Starts it for a server at this address.
    pub(crate) fn start(command: &[String], url: &str, token: &str) -> Checked<Self> {
        let Some((program, arguments)) = command.split_first() else {
            return broken("no command of a driver is given");
        };
        let child = Command::new(program)
            .args(arguments)
            .env("TIDINGS_URL", url)
            .env("TIDINGS_TOKEN", token)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let mut child = child
            .or_else(|error| broken(format!("the driver `{program}` does not start: {error}")))?;
        let (Some(orders), Some(said)) = (child.stdin.take(), child.stdout.take()) else {
            return broken("the driver has no standard input or output");
        };
        Ok(Self { child, orders, said: BufReader::new(said).lines() })
    }

    /// Tells it to do something.
    pub(crate) async fn tell(&mut self, order: &Value) -> Checked {
        let line = format!("{order}\n");
        let told = self.orders.write_all(line.as_bytes()).await;
        told.or_else(|error| broken(format!("the driver takes no orders: {error}")))
    }

    /// The next entry that its app is given; none when none comes within this time.
    pub(crate) async fn shown(&mut self, within: Duration) -> Checked<Option<Value>> {
        let until = Instant::now() + within;
        loop {
            let Ok(line) = tokio::time::timeout_at(until, self.said.next_line()).await else {
                return Ok(None);
            };
            let Ok(Some(line)) = line else { return broken("the driver has ended") };
            // What else it writes is for people.
            if let Ok(mut said) = serde_json::from_str::<Value>(&line)
                && said["entry"].is_object()
            {
                return Ok(Some(said["entry"].take()));
            }
        }
    }

    /// Ends it: by its closed input, else by force.
    pub(crate) async fn end(mut self) {
        drop(self.orders);
        if tokio::time::timeout(END, self.child.wait()).await.is_err() {
            // It may have ended meanwhile.
            let _ = self.child.kill().await;
        }
    }
}
