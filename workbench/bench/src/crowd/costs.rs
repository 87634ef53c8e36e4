//! What the servers and the generator itself have used between two moments, and the figures of a run
//! as one line of `name=value`.

use std::fmt;
use std::time::Duration;

use wire_client::latency::Latency;
use wire_client::processes::{self, Sample};
use wire_client::values::NamedPid;

/// The generator's name among the processes.
const GENERATOR: &str = "fleet";

/// Processes that are watched.
#[derive(Debug)]
pub struct Watched(Vec<NamedPid>);

impl Watched {
    /// The servers, and this process.
    pub fn with_generator(servers: &[NamedPid]) -> Self {
        let generator = NamedPid { name: GENERATOR.to_owned(), pid: std::process::id() };
        Self(servers.iter().cloned().chain([generator]).collect())
    }

    /// What they have used so far.
    pub fn sample(&self) -> Sample {
        processes::sample(&self.0)
    }
}

/// CPU microseconds by process between two samples, in the order of their names.
pub fn cpu_us(before: &Sample, after: &Sample) -> Vec<(String, f64)> {
    let used = |(name, usage): (&String, &processes::Usage)| {
        let before = before.get(name).map_or_else(Default::default, |usage| usage.cpu);
        (name.clone(), usage.cpu.saturating_sub(before).as_secs_f64() * 1e6)
    };
    after.iter().map(used).collect()
}

/// Growth of resident memory by process, in bytes.
pub fn rss_growth(before: &Sample, after: &Sample) -> Vec<(String, f64)> {
    let grown = |(name, usage): (&String, &processes::Usage)| {
        let before = before.get(name).map_or(0, |usage| usage.rss_bytes);
        (name.clone(), usage.rss_bytes as f64 - before as f64)
    };
    after.iter().map(grown).collect()
}

/// A line of figures that a script can take apart: a name, then `name=value` each.
#[derive(Debug, Clone)]
pub struct Figures {
    what: &'static str,
    fields: Vec<(String, String)>,
}

impl Figures {
    /// No figure yet.
    pub fn of(what: &'static str) -> Self {
        Self { what, fields: Vec::new() }
    }

    /// Adds a figure that is no fraction, or a word.
    pub fn add(&mut self, name: &str, value: impl fmt::Display) {
        self.fields.push((name.to_owned(), value.to_string()));
    }

    /// Adds a fraction with three digits after the point.
    pub fn add_fraction(&mut self, name: &str, value: f64) {
        self.add(name, format!("{value:.3}"));
    }

    /// Adds what each process used, each divided by `by`; and all servers together.
    pub fn add_costs(&mut self, name: &str, costs: &[(String, f64)], by: f64) {
        let mut servers = 0.0;
        for (process, used) in costs {
            self.add_fraction(&format!("{name}.{process}"), used / by);
            servers += if process == GENERATOR { 0.0 } else { *used };
        }
        self.add_fraction(&format!("{name}.servers"), servers / by);
    }

    /// Adds how long something took, in milliseconds.
    pub fn add_latency(&mut self, name: &str, latency: &Latency) {
        let values = latency.histogram();
        for (quantile, us) in [
            ("p50", values.value_at_quantile(0.5)),
            ("p99", values.value_at_quantile(0.99)),
            ("max", values.max()),
        ] {
            let ms = Duration::from_micros(us).as_secs_f64() * 1e3;
            self.add_fraction(&format!("{name}_{quantile}_ms"), ms);
        }
    }

    /// A figure by its name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)?;
        self.fields.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire_client::processes::Usage;

    #[test]
    fn costs_are_told_by_process_and_for_all_servers() {
        let usage = |ms, rss_bytes| Usage { cpu: Duration::from_millis(ms), rss_bytes };
        let sample = |of: [(&str, Usage); 3]| of.map(|(name, it)| (name.to_owned(), it)).into();
        let before = sample([("a", usage(1, 10)), ("b", usage(0, 0)), ("fleet", usage(0, 0))]);
        let after = sample([("a", usage(3, 5)), ("b", usage(1, 1)), ("fleet", usage(9, 0))]);
        let mut figures = Figures::of("fanout");
        figures.add("members", 7);
        figures.add_costs("cpu_us", &cpu_us(&before, &after), 1_000.0);
        assert_eq!(
            figures.to_string(),
            "fanout members=7 cpu_us.a=2.000 cpu_us.b=1.000 cpu_us.fleet=9.000 cpu_us.servers=3.000"
        );
        assert_eq!(figures.get("cpu_us.b"), Some("1.000"));
        assert_eq!(rss_growth(&before, &after)[0], ("a".to_owned(), -5.0));
    }
}
