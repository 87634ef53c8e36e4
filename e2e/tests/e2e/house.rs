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
    ("push", &["platform"]),
    ("websocket", &[]),
    ("gateway", &["proto", "bus", "platform", "websocket"]),
    ("chat-service", &["proto", "bus", "platform", "push"]),
    ("presence-service", &["proto", "bus", "platform"]),
    ("tidings", &["gateway", "chat-service", "presence-service", "bus", "proto", "platform"]),
    // The tools: they know the public protocol, and no product knows them.
    ("wire-client", &["proto", "websocket"]),
    ("fault-proxy", &[]),
    ("push-fakes", &[]),
    ("verdict", &["proto", "wire-client"]),
    ("bench", &["proto", "wire-client"]),
    // It judges what others made of the protocol, so it uses neither our frames nor our codec.
    ("conformance", &["wire-client"]),
    // The fakes stand for the services that it makes the servers push to.
    (
        "loadtest",
        &["proto", "wire-client", "fault-proxy", "push-fakes", "verdict", "bench", "conformance"],
    ),
    // These start binaries as processes.
    ("e2e", &[]),
    ("chaos", &["e2e", "fault-proxy"]),
];

/// Inside a service: files of the left folder or file name nothing of the right ones.
const INSIDE: &[(&str, &[&str])] = &[
    // The domain has no I/O: no runtime, no wire library, no adapter. It sees neither protobuf nor the bus.
    (
        "chat-service/src/domain",
        &[
            "tokio",
            "tonic",
            "sqlx",
            "lapin",
            "prost",
            "proto::bus",
            "proto::chat",
            "proto::common",
            "crate::store",
            "crate::operations",
            "crate::encode",
            "crate::append",
            "crate::delivery",
            "crate::ephemeral",
            "crate::followers",
            "crate::partitions",
            "crate::queries",
        ],
    ),
    // Operations read protobuf and plan; what they plan on was loaded before.
    (
        "chat-service/src/operations",
        &[
            "tokio",
            "tonic",
            "sqlx",
            "async ",
            "crate::store",
            "crate::append",
            "crate::delivery",
            "crate::ephemeral",
            "crate::followers",
            "crate::partitions",
            "crate::queries",
        ],
    ),
    // The way of a frame goes down these folders, never up.
    (
        "chat-service/src/delivery",
        &[
            "crate::append",
            "crate::ephemeral",
            "crate::followers",
            "crate::partitions",
            "crate::queries",
        ],
    ),
    (
        "chat-service/src/ephemeral",
        &["crate::append", "crate::followers", "crate::partitions", "crate::queries"],
    ),
    ("chat-service/src/append", &["crate::partitions", "crate::queries"]),
    ("chat-service/src/partitions", &["crate::queries"]),
    (
        "chat-service/src/followers",
        &[
            "crate::append",
            "crate::delivery",
            "crate::ephemeral",
            "crate::partitions",
            "crate::queries",
        ],
    ),
    (
        "chat-service/src/store",
        &[
            "crate::append",
            "crate::config",
            "crate::delivery",
            "crate::ephemeral",
            "crate::encode",
            "crate::followers",
            "crate::operations",
            "crate::partitions",
            "crate::queries",
        ],
    ),
    (
        "presence-service/src/domain",
        &["tokio", "tonic", "redis", "lapin", "crate::store", "crate::grpc"],
    ),
    // The broker and the databases stay inside their adapters.
    ("gateway/src", &["lapin", "sqlx", "redis::"]),
    ("chat-service/src/queries", &["sqlx", "lapin"]),
    // The codec knows nothing of what is said over it.
    ("crates/websocket/src", &["proto::", "serde_json", "axum", "prometheus_client"]),
    ("presence-service/src/grpc.rs", &["redis::"]),
    ("crates/platform/src", &["proto::", "bus::"]),
    // Who gets a push was decided before: providers know no message, user or conversation.
    ("crates/push/src", &["proto::", "bus::", "sqlx", "tonic"]),
    ("workbench", &["gateway::", "chat_service::", "presence_service::", "bus::", "platform::"]),
    // The checker reads what happened: it connects to nothing.
    ("workbench/verdict", &["tokio", "reqwest", "wire_client::ws", "wire_client::rest"]),
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
        // What is generated is read where it comes from.
        .filter(|path| !path.ends_with("web/sdk/protocol.ts"))
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
        // With a reason it may stand there: a target of the Makefile runs it.
        concat!("#[ign", "ore]"),
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

/// What a `use` or a path in braces names, each on its own: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn expanded(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((head, rest)) = tree.split_once('{') else { return vec![tree.to_owned()] };
    let body = rest.rsplit_once('}').map_or(rest, |(body, _)| body);
    let (mut depth, mut begin, mut parts) = (0, 0, Vec::new());
    for (at, c) in body.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => parts.push(&body[std::mem::replace(&mut begin, at + 1)..at]),
            _ => {}
        }
    }
    parts.push(&body[begin..]);
    let parts = parts.into_iter().filter(|part| !part.trim().is_empty());
    parts.flat_map(expanded).map(|part| format!("{head}{part}")).collect()
}

/// The code of a product file: without comments, and without the tests at its end.
fn product_code(path: &Path) -> String {
    let text = read(path);
    let lines: Vec<&str> =
        text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let is_tests = |pair: &[&str]| {
        pair[0].trim() == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
    };
    let end = lines.windows(2).position(is_tests).unwrap_or(lines.len());
    lines[..end].join("\n")
}

/// What the code names after a prefix such as `crate::`, and how many `super::` follow each other before it.
fn named_after(code: &str, prefix: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        let before = &code[..at];
        if before.chars().next_back().is_some_and(|c| is_word(c) || c == ':') {
            continue;
        }
        let (mut rest, mut count) = (&code[at + prefix.len()..], 1);
        while let Some(further) = rest.strip_prefix(prefix) {
            (rest, count) = (further, count + 1);
        }
        // A group of a `use` ends with it; a path anywhere else ends with its last name.
        let is_use = before.trim_end().ends_with("use");
        let length =
            if is_use { rest.find(';') } else { rest.find(|c: char| !is_word(c) && c != ':') };
        let tree = &rest[..length.unwrap_or(rest.len())];
        found.extend(expanded(tree).into_iter().map(|path| (count, path)));
    }
    found
}

/// Which module below the root of a crate names which others there, and in which file.
type Imports = BTreeMap<String, BTreeMap<String, PathBuf>>;

/// The imports of the crate whose sources lie in a folder.
fn imports(source: &Path, files: &[PathBuf]) -> Imports {
    let inside: Vec<(&PathBuf, Vec<String>)> = files
        .iter()
        .filter_map(|file| {
            let path = file.strip_prefix(source).ok()?.with_extension("");
            let names = path.iter().map(|name| name.to_string_lossy().into_owned());
            Some((file, names.collect::<Vec<_>>()))
        })
        .filter(|(_, names)| {
            let is_root = names.len() == 1 && ["lib", "main"].contains(&names[0].as_str());
            !is_root && names[0] != "bin" && !names.iter().any(|name| name == "tests")
        })
        .collect();
    let modules: BTreeSet<String> = inside.iter().map(|(_, names)| names[0].clone()).collect();
    // What the root gives on is its module's.
    let mut given_on = BTreeMap::new();
    for line in product_code(&source.join("lib.rs")).split(';') {
        let Some((_, tree)) = line.rsplit_once("use ") else { continue };
        for path in expanded(tree.trim_start().trim_start_matches("crate::")) {
            let first = path.split("::").next().unwrap_or_default().to_owned();
            let name = path.rsplit([':', ' ']).next().unwrap_or_default().to_owned();
            if modules.contains(&first) {
                given_on.insert(name, first);
            }
        }
    }
    let mut imports = Imports::new();
    for (file, names) in inside {
        let code = product_code(file);
        let from_root = named_after(&code, "crate::").into_iter().map(|(_, path)| path);
        let supers = named_after(&code, "super::").into_iter();
        let supers = supers.filter(|(count, _)| *count == names.len()).map(|(_, path)| path);
        for path in from_root.chain(supers) {
            let first = path.trim().split("::").next().unwrap_or_default().to_owned();
            let module = given_on.get(&first).cloned().unwrap_or(first);
            if modules.contains(&module) && module != names[0] {
                let of_module = imports.entry(names[0].clone()).or_default();
                of_module.entry(module).or_insert_with(|| file.clone());
            }
        }
    }
    imports
}

/// The shortest way from a module back to itself.
fn cycle(imports: &Imports, start: &str) -> Option<Vec<String>> {
    let mut ways = std::collections::VecDeque::from([vec![start.to_owned()]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for next in imports.get(way.last()?).into_iter().flat_map(BTreeMap::keys) {
            let further: Vec<String> = way.iter().cloned().chain([next.clone()]).collect();
            if next == start {
                return Some(further);
            }
            if seen.insert(next.clone()) {
                ways.push_back(further);
            }
        }
    }
    None
}

#[test]
fn modules_of_a_crate_import_each_other_in_no_cycle() {
    let files = sources(".rs");
    let roots = files.iter().filter(|file| file.ends_with("src/lib.rs"));
    let mut found = Vec::new();
    for root in roots {
        let source = root.parent().expect("a file has a folder");
        let name = source.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        let imports = imports(source, &files);
        for module in imports.keys() {
            let Some(cycle) = cycle(&imports, module) else { continue };
            let arrows = cycle.windows(2).map(|pair| {
                format!("{} -> {} ({})", pair[0], pair[1], imports[&pair[0]][&pair[1]].display())
            });
            found.push(format!("{name}: {}", arrows.collect::<Vec<_>>().join(", ")));
        }
    }
    assert!(found.is_empty(), "modules import each other in a circle:\n{}", found.join("\n"));
}

#[test]
fn paths_in_groups_are_found_each() {
    assert_eq!(expanded("a::{b, c::{d, e}, f}"), ["a::b", "a::c::d", "a::c::e", "a::f"]);
    let code = "use crate::{one::A, two};\nlet it = crate::three::f(super::super::four::g());";
    let named = |prefix| named_after(code, prefix);
    let all = [(1, "one::A"), (1, "two"), (1, "three::f")];
    assert_eq!(named("crate::"), all.map(|(count, path)| (count, path.to_owned())));
    assert_eq!(named("super::"), [(2, "four::g".to_owned())]);
}
