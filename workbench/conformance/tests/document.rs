//! docs/conformance.md names every rule with its place, and each place is there.

use std::collections::BTreeSet;
use std::path::Path;

fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn document_has_both_tables() {
    let document = document("conformance.md");
    for (command, table) in [
        ("conformance", conformance::server::table()),
        ("conformance-client", conformance::client::table()),
    ] {
        let is_there = document.contains(&table);
        assert!(is_there, "docs/conformance.md: put in what `fleet {command} --list` prints");
    }
}

#[test]
fn each_rule_has_one_name_and_a_section_of_the_protocol() {
    let protocol = document("protocol.md");
    let anchors: BTreeSet<String> = protocol
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .map(|title| {
            let kept = title.to_lowercase();
            let kept = kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect();
    for table in [conformance::server::table(), conformance::client::table()] {
        let mut names = BTreeSet::new();
        for row in table.lines().skip(2) {
            let name = row.split('`').nth(1).expect("a name");
            assert!(names.insert(name), "{name} is there twice");
            let anchor = row.rsplit_once('#').expect("a link").1.trim_end_matches(") |");
            assert!(anchors.contains(anchor), "{name}: no section #{anchor}");
        }
        assert!(names.len() > 30, "{names:?}");
    }
}
