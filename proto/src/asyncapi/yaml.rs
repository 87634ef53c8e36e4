//! The document as YAML text: well-known keys first, all others by name, whatever the order of the map is.

use serde_json::Value;
use serde_yaml_ng::{Mapping, Value as Yaml};

/// What a reader wants to see first.
const FIRST: [&str; 17] = [
    "asyncapi",
    "info",
    "defaultContentType",
    "servers",
    "channels",
    "operations",
    "components",
    "$ref",
    "name",
    "title",
    "summary",
    "description",
    "action",
    "address",
    "type",
    "const",
    "required",
];

/// The text of a document.
pub(super) fn text(document: &Value) -> String {
    let yaml = serde_yaml_ng::to_string(&ordered(document)).expect("a document is YAML");
    let mut text = "# Generated from the frame types of `proto` by its tests; see CONTRIBUTING.md. Do not edit.\n".to_owned();
    for line in yaml.lines() {
        text.push_str(&quoted(line));
        text.push('\n');
    }
    text
}

/// Words that YAML 1.1, which many parsers still read, takes for booleans.
const BOOLEANS: [&str; 6] = ["on", "off", "yes", "no", "y", "n"];

/// A line of block style whose key or value is such a word, with the word in quotes.
fn quoted(line: &str) -> String {
    let rest = line.trim_start_matches([' ', '-']);
    let (begin, rest) = line.split_at(line.len() - rest.len());
    let (key, value) = rest.split_once(':').map_or((rest, None), |(key, value)| (key, Some(value)));
    let quote =
        |word: &str| if BOOLEANS.contains(&word) { format!("'{word}'") } else { word.to_owned() };
    match value {
        None => format!("{begin}{}", quote(key)),
        Some(value) => match value.strip_prefix(' ') {
            Some(value) => format!("{begin}{}: {}", quote(key), quote(value)),
            None => format!("{begin}{}:{value}", quote(key)),
        },
    }
}

fn ordered(value: &Value) -> Yaml {
    match value {
        Value::Object(map) => {
            let place =
                |key: &str| FIRST.iter().position(|first| *first == key).unwrap_or(FIRST.len());
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_by_key(|key| (place(key), *key));
            let pairs = keys.into_iter().map(|key| (Yaml::from(key.as_str()), ordered(&map[key])));
            Yaml::Mapping(pairs.collect::<Mapping>())
        }
        Value::Array(list) => Yaml::Sequence(list.iter().map(ordered).collect()),
        Value::String(text) => Yaml::from(text.as_str()),
        Value::Bool(flag) => Yaml::from(*flag),
        Value::Null => Yaml::Null,
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => Yaml::from(number),
            (None, Some(number)) => Yaml::from(number),
            (None, None) => Yaml::from(number.as_f64().unwrap_or_default()),
        },
    }
}

#[test]
fn words_that_old_parsers_take_for_booleans_are_quoted() {
    let text =
        text(&serde_json::json!({ "on": ["off", "often"], "name": "no", "off": { "a": 1 } }));
    let lines: Vec<_> = text.lines().skip(1).collect();
    assert_eq!(lines, ["name: 'no'", "'off':", "  a: 1", "'on':", "- 'off'", "- often"]);
}
