//! What the clients ask of their connections: the form of frames, and batches.

use clap::{Args, ValueEnum};

/// Of each connection.
#[derive(Debug, Clone, Args)]
pub struct Wire {
    /// The form of frames.
    #[arg(long, value_enum, default_value = "json")]
    pub encoding: Encoding,
    /// Frames may come as batches of at most so many, 1 to 100.
    #[arg(long)]
    pub batch: Option<u32>,
    /// A frame may wait so long for others of its batch, in milliseconds, up to 100.
    #[arg(long)]
    pub batch_ms: Option<u64>,
}

/// The form of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Encoding {
    /// Text.
    Json,
    /// MessagePack, by the subprotocol.
    Msgpack,
}

impl Wire {
    /// The subprotocol to offer; none for the usual one.
    pub fn subprotocol(&self) -> Option<&'static str> {
        match self.encoding {
            Encoding::Json => None,
            Encoding::Msgpack => Some("tidings.v1.msgpack"),
        }
    }

    /// A path with what is asked for in its query.
    pub fn path(&self, path: &str) -> String {
        let mut path = path.to_owned();
        let batch = self.batch.map(|frames| format!("batch={frames}"));
        let batch_ms = self.batch_ms.map(|wait| format!("batch_ms={wait}"));
        for parameter in batch.into_iter().chain(batch_ms) {
            add(&mut path, &parameter);
        }
        path
    }
}

/// A path with one more parameter in its query.
pub fn add(path: &mut String, parameter: &str) {
    path.push(if path.contains('?') { '&' } else { '?' });
    path.push_str(parameter);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_joins_the_query() {
        let mut wire = Wire { encoding: Encoding::Json, batch: None, batch_ms: None };
        assert_eq!(wire.path("/ws"), "/ws");
        (wire.batch, wire.batch_ms) = (Some(10), Some(5));
        assert_eq!(wire.path("/ws"), "/ws?batch=10&batch_ms=5");
        assert_eq!(wire.path("/ws?x=1"), "/ws?x=1&batch=10&batch_ms=5");
    }
}
