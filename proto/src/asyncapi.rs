//! Makes `docs/asyncapi.yaml`, the machine-readable description of the protocol, from the frame types and their comments,
//! and compares it with the committed file. Compiled for tests only: no binary carries it.
//!
//! Must not describe anything that the types already say: what stands here is what no type has, such as addresses,
//! queries and which frame answers which.

mod document;
mod events;
mod examples;
mod frames;
mod schema;
mod yaml;

use std::path::{Path, PathBuf};

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The repository: the nearest folder above with the documents.
fn repository() -> PathBuf {
    let mut folder = root();
    while !folder.join("docs/protocol.md").exists() {
        folder = folder.join("..");
        assert!(
            folder.canonicalize().is_ok_and(|path| path != Path::new("/")),
            "no docs/protocol.md"
        );
    }
    folder
}

#[test]
fn committed_description_is_the_generated_one() {
    let text = yaml::text(&document::document());
    let committed = repository().join("docs/asyncapi.yaml");
    if std::fs::read_to_string(committed).unwrap_or_default() != text {
        let target = repository().join("target");
        std::fs::create_dir_all(&target).unwrap();
        std::fs::write(target.join("asyncapi.yaml"), &text).unwrap();
        panic!("docs/asyncapi.yaml is out of date: copy target/asyncapi.yaml over it");
    }
}

#[test]
fn every_reference_in_the_description_has_a_target() {
    let document: Value = serde_yaml_ng::from_str(&yaml::text(&document::document())).unwrap();
    assert_eq!(document, document::document(), "the YAML text is the document");
    let mut references = Vec::new();
    collect_references(&document, &mut references);
    assert!(references.len() > 100, "{}", references.len());
    for reference in references {
        let pointer = reference.trim_start_matches('#');
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

fn collect_references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(reference)) = map.get("$ref") {
                found.push(reference.clone());
            }
            map.values().for_each(|value| collect_references(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| collect_references(value, found)),
        _ => {}
    }
}
