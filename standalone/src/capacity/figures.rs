//! What was measured, and what follows from it. Pure.

use std::fmt;

const GIB: u64 = 1 << 30;

/// What the self-test found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Figures {
    /// Opened.
    pub(super) connections: u64,
    /// What the server's process grew by meanwhile.
    pub(super) resident_bytes: u64,
    /// What the kernel's share of the server's ends grew by.
    pub(super) kernel_bytes: u64,
    /// Frames written to sockets while messages were delivered.
    pub(super) deliveries: u64,
    /// What that cost the server.
    pub(super) cpu_secs: f64,
    /// How long it took.
    pub(super) wall_secs: f64,
    pub(super) cores: usize,
    /// Memory that this machine can still give.
    pub(super) available_bytes: u64,
    /// Files that a process may open.
    pub(super) files: Option<u64>,
    /// Connections for which there are files.
    pub(super) by_files: u64,
    /// `limits.connections`.
    pub(super) configured: u64,
}

impl Figures {
    fn each_bytes(&self) -> u64 {
        ((self.resident_bytes + self.kernel_bytes) / self.connections.max(1)).max(1)
    }

    fn deliveries_per_core(&self) -> u64 {
        (self.deliveries as f64 / self.cpu_secs.max(0.01)) as u64
    }

    /// The limits with their connections, the nearest first.
    fn limits(&self) -> [(u64, &'static str); 3] {
        let mut limits = [
            (self.by_files, "files"),
            (self.configured, "limits.connections"),
            (self.available_bytes / self.each_bytes(), "memory"),
        ];
        limits.sort_unstable();
        limits
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kib = |bytes: u64| bytes as f64 / self.connections.max(1) as f64 / 1024.0;
        let limits = self.limits();
        writeln!(
            f,
            "Connection   {:.1} KiB of the process and {:.1} KiB of the kernel: {} in a GiB",
            kib(self.resident_bytes),
            kib(self.kernel_bytes),
            thousands(GIB / self.each_bytes()),
        )?;
        writeln!(
            f,
            "Deliveries   {} in a second of one core ({} in {:.1} s at {:.1} of {} cores)",
            thousands(self.deliveries_per_core()),
            thousands(self.deliveries),
            self.wall_secs,
            self.cpu_secs / self.wall_secs.max(0.01),
            self.cores,
        )?;
        let listed: Vec<String> =
            limits.iter().map(|(most, name)| format!("{name} {}", thousands(*most))).collect();
        writeln!(f, "Limits       {}", listed.join(", "))?;
        let (most, first) = limits[0];
        let advice = match first {
            "files" => format!(
                "a process may open {} files: raise `ulimit -n`",
                self.files.map_or_else(|| "any number of".to_owned(), thousands)
            ),
            "memory" => format!("{} MiB are free here", self.available_bytes >> 20),
            _ => "the configuration says so".to_owned(),
        };
        writeln!(f, "First limit  {first}: {} connections; {advice}", thousands(most))?;
        write!(f, "Clients ran on the same cores; a server alone does better.")
    }
}

/// 12345678 as 12,345,678.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIGURES: Figures = Figures {
        connections: 1_000,
        resident_bytes: 6 << 20,
        kernel_bytes: 4 << 20,
        deliveries: 400_000,
        cpu_secs: 2.0,
        wall_secs: 4.0,
        cores: 2,
        available_bytes: 8 << 30,
        files: Some(20_000),
        by_files: 19_744,
        configured: 100_000,
    };

    #[test]
    fn the_nearest_limit_is_named_with_what_to_do() {
        let text = FIGURES.to_string();
        assert!(text.contains("102,407 in a GiB"), "{text}");
        assert!(text.contains("200,000 in a second of one core"), "{text}");
        assert!(text.contains("First limit  files: 19,744 connections"), "{text}");
        let few = Figures { configured: 500, ..FIGURES };
        assert!(few.to_string().contains("First limit  limits.connections: 500"), "{few}");
        let small = Figures { available_bytes: 1 << 20, ..FIGURES };
        assert!(small.to_string().contains("First limit  memory: 100 connections"), "{small}");
    }

    #[test]
    fn nothing_measured_is_no_division_by_nothing() {
        let nothing = Figures {
            resident_bytes: 0,
            kernel_bytes: 0,
            deliveries: 0,
            cpu_secs: 0.0,
            wall_secs: 0.0,
            ..FIGURES
        };
        assert!(nothing.to_string().contains("First limit  files"));
        assert_eq!(thousands(0), "0");
    }
}
