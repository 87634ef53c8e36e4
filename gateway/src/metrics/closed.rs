//! The closed sets of labels, and their series at 0. A new value of a label is added here, too: counting a value that is
//! not here fails in debug builds.

use proto::close_code::CloseCode;
use proto::error_code::{ErrorCode, Limit};

use super::{CodeLabel, Door, ErrorLabel, GatewayMetrics, KindLabel, LimitLabel, QualityLabel};

/// Classes of HTTP, by their first digit.
pub(super) const STATUSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Codes that this side closes with.
pub(super) const CODES: [&str; 14] = [
    "1001", "1002", "1007", "1008", "1009", "1011", "1012", "1013", "4000", "4001", "4003", "4008",
    "4009", "4029",
];

/// Kinds of frames that an outbox may drop.
pub(super) const KINDS: [&str; 7] =
    ["answer", "entry", "receipt", "ephemeral", "signal", "bulk", "other"];

/// Limits of connections, of memory and of what awaits an answer.
const LIMITS: [&str; 12] = [
    "gateway_connections",
    "gateway_files",
    "tenant_connections",
    "address_sockets",
    "address_arrivals",
    "address_requests",
    "proxy_protocol",
    "unanswered",
    "body_bytes",
    "request_bytes",
    "answer_bytes",
    "posted_frames",
];

/// Every limit that a client may meet; with those of rates.
pub(super) fn limits() -> impl Iterator<Item = &'static str> {
    LIMITS.into_iter().chain(Limit::ALL.map(Limit::as_str))
}

impl GatewayMetrics {
    pub(super) fn begin_at_0(&self) {
        for code in ErrorCode::ALL {
            for door in [Door::Ws, Door::Sse, Door::Rest, Door::Page] {
                let label = ErrorLabel { code: code.as_str(), via: door.as_str() };
                self.errors.get_or_create(&label).inc_by(0);
            }
        }
        for code in CloseCode::ALL {
            self.closes.get_or_create(&CodeLabel { code: code.as_str() }).inc_by(0);
        }
        for limit in limits() {
            self.refused.get_or_create(&LimitLabel { limit }).inc_by(0);
        }
        for kind in KINDS {
            self.dropped.get_or_create(&KindLabel { kind }).inc_by(0);
        }
        for quality in ["good", "fair", "poor"] {
            self.profiles.get_or_create(&QualityLabel { quality }).inc_by(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use platform::metrics::Metrics;

    use super::*;

    #[test]
    fn every_series_of_a_closed_set_begins_at_0() {
        let registry = Metrics::new();
        let metrics = GatewayMetrics::new(&registry);
        metrics.answered_rest(404, std::time::Duration::ZERO);
        let text = registry.encode();
        for line in [
            r#"tidings_gateway_errors_total{code="internal",via="sse"} 0"#,
            r#"tidings_gateway_closes_total{code="4029"} 0"#,
            r#"tidings_gateway_refused_total{limit="waiting"} 0"#,
            r#"tidings_gateway_refused_total{limit="unanswered"} 0"#,
            r#"tidings_gateway_outbox_dropped_total{kind="bulk"} 0"#,
            r#"tidings_gateway_network_profiles_total{quality="poor"} 0"#,
            r#"tidings_gateway_rest_requests_total{status="4xx"} 1"#,
            r#"tidings_gateway_rest_requests_total{status="5xx"} 0"#,
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }
}
