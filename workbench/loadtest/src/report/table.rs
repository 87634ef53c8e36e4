//! The report for people.

use std::fmt;

use super::{Percentiles, Report};

const KIB: f64 = 1024.0;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let load = match (self.rate, self.window) {
            (Some(rate), _) => format!("open loop, {rate}/s"),
            (None, Some(window)) => format!("closed loop, {window} in flight per sender"),
            (None, None) => "no sends".to_owned(),
        };
        writeln!(
            f,
            "\n{} · {} clients · {} conversations · {load} · {} B texts · measured {:.1} s · run {}",
            self.scenario,
            self.clients,
            self.conversations,
            self.payload_bytes,
            self.measured_seconds,
            self.run
        )?;
        self.counts(f)?;
        self.latencies(f)?;
        self.processes(f)?;
        self.verdict(f)
    }
}

impl Report {
    fn counts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rates = [
            ("connected", self.clients, Some(self.connects_per_second)),
            ("offered", self.offered, None),
            ("skipped (outbox full)", self.skipped, None),
            ("sent, repeats included", self.sent, None),
            ("acknowledged", self.acknowledged, Some(self.acknowledged_per_second)),
            ("delivered", self.delivered, Some(self.delivered_per_second)),
            ("reactions among them", self.reactions, None),
            ("signals", self.signals[0], None),
            ("signals heard", self.signals[1], None),
            ("broadcasts heard", self.notices, None),
            ("reconnects", self.reconnects, None),
            ("entries repeated", self.findings.wire_repeats, None),
            ("answers repeated", self.repeated_answers, None),
            ("answers overdue", self.overdue_answers, None),
            ("live entries skipped", self.findings.live_skips, None),
            ("syncs for a hole", self.gap_syncs, None),
            ("cursors reset", self.resets, None),
            ("outcomes unknown", self.findings.unknown_outcomes, None),
        ];
        writeln!(f, "\n{:<28}{:>12}{:>14}", "", "count", "per second")?;
        for (name, count, rate) in rates {
            let rate = rate.map_or_else(String::new, |rate| format!("{rate:.0}"));
            writeln!(f, "{name:<28}{count:>12}{rate:>14}")?;
        }
        if let Some(bytes) = self.received_bytes_per_delivery {
            writeln!(f, "{:<28}{bytes:>12.1}", "bytes received/delivery")?;
        }
        for (kind, count) in &self.errors {
            writeln!(f, "{kind:<28}{count:>12}")?;
        }
        Ok(())
    }

    fn latencies(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (p50, p95, p99) = ("p50", "p95", "p99");
        writeln!(f, "\n{:<28}{:>12}{p50:>10}{p95:>10}{p99:>10}{:>10}", "ms", "count", "max")?;
        for (name, latency) in [
            ("due to receiver's socket", self.delivery_ms),
            ("due to acknowledged", self.acknowledgement_ms),
            ("signal: due to socket", self.signal_ms),
            ("broadcast: due to socket", self.notice_ms),
            ("connect to welcome", self.connect_ms),
        ] {
            let Percentiles { count, p50, p95, p99, max } = latency;
            if count > 0 {
                writeln!(f, "{name:<28}{count:>12}{p50:>10.2}{p95:>10.2}{p99:>10.2}{max:>10.2}")?;
            }
        }
        Ok(())
    }

    fn processes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{:<28}{:>12}{:>14}{:>17}{:>12}{:>16}",
            "process", "CPU s", "CPU-µs/msg", "CPU-µs/delivery", "RSS MiB", "KiB/connection"
        )?;
        for process in &self.processes {
            let text = |us: Option<f64>, digits| {
                us.map_or_else(String::new, |us| format!("{us:.digits$}"))
            };
            let per_message = text(process.cpu_us_per_message, 1);
            let per_delivery = text(process.cpu_us_per_delivery, 2);
            writeln!(
                f,
                "{:<28}{:>12.2}{per_message:>14}{per_delivery:>17}{:>12.1}{:>16.2}",
                process.name,
                process.cpu_seconds,
                process.rss_after as f64 / KIB / KIB,
                process.rss_per_connection / KIB
            )?;
        }
        match self.servers_cpu_us_per_message {
            Some(us) => writeln!(f, "{:<28}{:>12}{us:>14.1}", "all servers", ""),
            None => Ok(()),
        }
    }

    fn verdict(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for violation in &self.findings.examples {
            writeln!(f, "{}: {}", violation.rule.name(), violation.detail)?;
        }
        let verdict = self.verdict.name();
        write!(
            f,
            "\n{verdict}: {} entries in {} conversations checked, {} of them against history; \
             drained in {:.1} s",
            self.findings.entries,
            self.conversations,
            self.findings.verified_logs,
            self.drain_seconds
        )?;
        for reason in &self.reasons {
            write!(f, "\n  {reason}")?;
        }
        Ok(())
    }
}
