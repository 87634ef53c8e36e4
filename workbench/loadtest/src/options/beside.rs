//! What goes on beside the messages: call signals, broadcasts, and clients that only listen.

use clap::Args;

use super::Rate;

/// Beside the scenario.
#[derive(Debug, Clone, Default, Args)]
pub struct Beside {
    /// Clients that connect and only listen, beside those of the scenario.
    #[arg(long, default_value_t = 0)]
    pub listeners: u32,
    /// Members of each group who never connect, beside `--members`.
    #[arg(long, default_value_t = 0)]
    pub absent: u32,
    /// Call signals a second in total, from client to partner; in the scenario pairs. Their latency is
    /// measured like that of messages.
    #[arg(long)]
    pub signals: Option<Rate>,
    /// Broadcasts to everybody a second, over REST, with a token of the role admin.
    #[arg(long)]
    pub broadcasts: Option<Rate>,
    /// Messages that are pinned or unpinned a second in total, over REST, by the first member of some conversations. Compared
    /// with the logs at the end.
    #[arg(long)]
    pub pins: Option<Rate>,
}
