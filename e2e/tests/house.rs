//! The house holds itself: who may depend on whom, and how files are written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Longest source file. Past it, a file is usually two ideas.
const MAX_LINES: usize = 600;

/// What each crate may use of ours. A new edge is a commit of its own, with its reason.
const ALLOWED: &[(&str, &[&str])] = &[
    ("proto", &[]),
    ("platform", &[]),
    ("bus", &["proto"]),
    ("gateway", &["proto", "bus", "platform"]),
    ("chat-service", &["proto", "bus", "platform"]),
    ("presence-service", &["proto", "bus", "platform"]),
    ("tidings", &["gateway", "chat-service", "presence-service", "bus", "proto", "platform"]),
    ("fleet", &["proto"]),
    // It starts the fleet as a process.
    ("e2e", &[]),
];

/// Inside a service: files of the left folder or file name nothing of the right ones.
const INSIDE: &[(&str, &[&str])] = &[
    // The domain has no I/O: no runtime, no wire library, no adapter.
    (
        "chat-service/src/domain",
        &[
            "tokio",
            "tonic",
            "sqlx",
            "lapin",
            "crate::store::postgres",
            "crate::store::sqlite",
            "crate::delivery",
            "crate::grpc",
        ],
    ),
    (
        "presence-service/src/domain",
        &["tokio", "tonic", "redis", "lapin", "crate::store", "crate::grpc"],
    ),
    // The broker and the databases stay inside their adapters.
    ("gateway/src", &["lapin", "sqlx", "redis::"]),
    ("chat-service/src/grpc", &["sqlx", "lapin"]),
    ("chat-service/src/domain", &["Serialize for"]),
    ("presence-service/src/grpc.rs", &["redis::"]),
    ("platform/src", &["proto::", "bus::"]),
    ("fleet/src", &["gateway::", "chat_service::", "presence_service::"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("e2e lies in the workspace").to_path_buf()
}

/// The tracked and new source files with this ending.
fn sources(ending: &str) -> Vec<PathBuf> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git lists the files");
    let list = String::from_utf8(output.stdout).expect("paths are UTF-8");
    assert!(list.contains("Cargo.toml"), "git sees the workspace");
    list.lines()
        .filter(|path| path.ends_with(ending))
        .map(PathBuf::from)
        .filter(|path| root().join(path).exists())
        .collect()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(root().join(path))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Part of an identifier.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[test]
fn crates_depend_only_on_what_the_plan_allows() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo metadata runs");
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let ours: BTreeSet<&str> =
        packages.iter().filter_map(|package| package["name"].as_str()).collect();
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    assert_eq!(ours, allowed.keys().copied().collect(), "every crate has its line in ALLOWED");
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let used = dependency["name"].as_str().expect("a name");
            // Tests may use more (a store of another kind, the fleet), products may not.
            if dependency["kind"].is_null() && ours.contains(used) {
                assert!(allowed[name].contains(&used), "{name} must not depend on {used}");
            }
        }
    }
}

/// What only the services of a cluster stand on, and what sqlx would compile a second time for its macros.
const NOT_IN_ONE: [&str; 5] =
    ["lapin", "redis", "sqlx-postgres", "sqlx-macros", "tokio-tungstenite"];

#[test]
fn the_all_in_one_has_nothing_in_it_that_only_a_cluster_needs() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--package", "tidings", "--edges", "normal,build"])
        .args(["--prefix", "none", "--format", "{p}"])
        .current_dir(root())
        .output()
        .expect("cargo tree runs");
    let tree = String::from_utf8(output.stdout).expect("names are UTF-8");
    let has = |name: &str| tree.lines().any(|line| line.split(' ').next() == Some(name));
    assert!(has("sqlx-sqlite"), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Vec<_> = NOT_IN_ONE.iter().filter(|name| has(name)).collect();
    assert!(found.is_empty(), "the all-in-one has {found:?}: which feature asks for them?");
}

#[test]
fn parts_of_a_service_know_only_what_is_below_them() {
    let mut found = Vec::new();
    for (part, forbidden) in INSIDE {
        for path in sources(".rs").iter().filter(|path| path.to_string_lossy().starts_with(part)) {
            for (number, line) in read(path).lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                for word in *forbidden {
                    let named = code.match_indices(word).any(|(at, _)| {
                        let before = code[..at].chars().next_back().is_some_and(is_word);
                        let after = code[at + word.len()..].chars().next().is_some_and(is_word);
                        !before && (!after || word.ends_with("::"))
                    });
                    if named && !code.contains("tokio::test") {
                        found.push(format!("{}:{}: {word}", path.display(), number + 1));
                    }
                }
            }
        }
    }
    assert!(found.is_empty(), "names something it must not know:\n{}", found.join("\n"));
}

#[test]
fn every_module_says_what_it_is_for() {
    let silent: Vec<String> = sources(".rs")
        .iter()
        .filter(|path| !read(path).trim_start_matches("#![").trim_start().starts_with("//!"))
        .filter(|path| !read(path).lines().take(5).any(|line| line.starts_with("//!")))
        .map(|path| path.display().to_string())
        .collect();
    assert!(silent.is_empty(), "no module docs in the first lines:\n{}", silent.join("\n"));
}

#[test]
fn no_file_is_longer_than_one_idea() {
    let long: Vec<String> = [".rs", ".ts", ".tsx", ".sql", ".lua", ".css"]
        .iter()
        .flat_map(|ending| sources(ending))
        .filter(|path| read(path).lines().count() > MAX_LINES)
        .map(|path| path.display().to_string())
        .collect();
    assert!(long.is_empty(), "longer than {MAX_LINES} lines:\n{}", long.join("\n"));
}

#[test]
fn links_in_the_documents_lead_somewhere() {
    let mut dead = Vec::new();
    for path in sources(".md") {
        let text = read(&path);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            let folder = path.parent().unwrap_or(Path::new(""));
            if !root().join(folder).join(file).exists() {
                dead.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert!(dead.is_empty(), "links to nothing:\n{}", dead.join("\n"));
}

#[test]
fn nothing_is_left_open_in_the_code() {
    let words = [
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("FIX", "ME"),
        concat!("#[ign", "ore"),
    ];
    let open: Vec<String> = sources(".rs")
        .iter()
        .flat_map(|path| {
            let text = read(path);
            words
                .iter()
                .filter(|word| text.contains(**word))
                .map(|word| format!("{}: {word}", path.display()))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(open.is_empty(), "{}", open.join("\n"));
}
