//! The older text format, for readers that do not ask for OpenMetrics: `promtool check metrics`, `curl`, old agents.
//! Made of the OpenMetrics text, so that both say the same. The samples are the same lines in both formats; what
//! describes them is not. Must not know any metric.

use std::fmt::Write as _;

/// The same metrics in the text format 0.0.4.
pub(super) fn of_open_metrics(text: &str) -> String {
    let mut plain = String::with_capacity(text.len() + text.len() / 16);
    let mut help = "";
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            // Its name depends on the type, which comes next.
            (Some("#"), Some("HELP"), Some(_), said) => help = said.unwrap_or_default(),
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                let (suffix, kind) = match kind {
                    "counter" => ("_total", "counter"),
                    "info" => ("_info", "gauge"),
                    "unknown" => ("", "untyped"),
                    other => ("", other),
                };
                // Writing into a `String` cannot fail.
                let _ = writeln!(plain, "# HELP {name}{suffix} {help}");
                let _ = writeln!(plain, "# TYPE {name}{suffix} {kind}");
            }
            (Some("#"), ..) => {}
            _ => {
                plain.push_str(line);
                plain.push('\n');
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_and_infos_are_described_under_the_names_of_their_samples() {
        let open = "# HELP a Some a.\n# TYPE a counter\na_total{of=\"b c\"} 1\n# HELP i An i.\n\
                    # TYPE i info\ni_info{version=\"1\"} 1\n# HELP g A g.\n# TYPE g gauge\n\
                    # UNIT g bytes\ng 2\n# EOF\n";
        let plain = "# HELP a_total Some a.\n# TYPE a_total counter\na_total{of=\"b c\"} 1\n\
                     # HELP i_info An i.\n# TYPE i_info gauge\ni_info{version=\"1\"} 1\n\
                     # HELP g A g.\n# TYPE g gauge\ng 2\n";
        assert_eq!(of_open_metrics(open), plain);
    }
}
