//! What all frames of this process take together. The counts are of the process, as its memory is: frames are made in
//! many places and by no object that all of them know. Must not decide what happens beyond a bound.

use std::sync::LazyLock;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

/// Bytes of all frames there are.
pub(crate) static HELD: LazyLock<Gauge> = LazyLock::new(Gauge::default);
/// Frames above the limit that were left out.
pub(crate) static OVERSIZED: LazyLock<Counter> = LazyLock::new(Counter::default);
