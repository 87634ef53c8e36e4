//! Configuration: defaults that work, one TOML file over them, the environment over both.
//!
//! This is the only place that reads the environment. Every mistake is shown at once, each with its
//! key and where it came from; an unknown key is a mistake. The defaults say which keys exist and of
//! which type they are.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Where the configuration comes from.
#[derive(Debug, Clone)]
pub struct Source {
    /// The file the user named, if any.
    pub file: Option<PathBuf>,
    /// What the variables of this binary begin with, such as `TIDINGS_GATEWAY__`.
    pub prefix: &'static str,
    /// The environment.
    pub env: Vec<(String, String)>,
}

impl Source {
    /// Takes the environment of this process.
    pub fn from_process(file: Option<PathBuf>, prefix: &'static str) -> Self {
        // Names and values that are not UTF-8 cannot be ours: `vars` would panic on them.
        let env = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { file, prefix, env }
    }
}

/// Everything that is wrong with a configuration, one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<String>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for ConfigErrors {}

/// Reads a configuration. `T::default()` names every key, an absent value being `null`; every section
/// is `#[serde(default)]`, so that only what was set is handed to it.
pub fn load<T>(source: &Source) -> Result<T, ConfigErrors>
where
    T: Serialize + DeserializeOwned + Default,
{
    let defaults = serde_json::to_value(T::default())
        .map_err(|error| ConfigErrors(vec![format!("the defaults cannot be written: {error}")]))?;
    let mut merged = Value::Object(Map::new());
    let mut mistakes = Vec::new();

    if let Some(path) = &source.file {
        match read_file(path) {
            Ok(table) => check(
                &defaults,
                &table,
                "",
                &path.display().to_string(),
                &mut mistakes,
                &mut merged,
            ),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    for (name, text) in &source.env {
        if let Some(key) = name.strip_prefix(source.prefix) {
            let key = key.to_lowercase();
            let place = format!("environment variable {name}");
            match lookup(&defaults, &key) {
                Some(Value::Object(_)) => {
                    mistakes.push(format!("{place}: `{key}` is a section; name one of its keys"));
                }
                Some(default) => match parse_like(default, text) {
                    Ok(value) => set(&mut merged, key.split("__"), value),
                    Err(expected) => mistakes.push(format!("{place}: expected {expected}")),
                },
                None => mistakes.push(unknown(&key.replace("__", "."), &place, &defaults)),
            }
        }
    }
    if !mistakes.is_empty() {
        return Err(ConfigErrors(mistakes));
    }
    serde_path_to_error::deserialize(merged)
        .map_err(|error| ConfigErrors(vec![format!("`{}`: {}", error.path(), error.inner())]))
}

/// Every key with its default, in order: what the documentation must list.
pub fn keys<T: Serialize + Default>() -> Vec<(String, String)> {
    let mut keys = Vec::new();
    if let Ok(defaults) = serde_json::to_value(T::default()) {
        collect(&defaults, "", &mut keys);
    }
    keys
}

fn collect(value: &Value, path: &str, keys: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                collect(field, &join(path, name), keys);
            }
        }
        Value::Null => keys.push((path.to_owned(), "not set".to_owned())),
        leaf => keys.push((path.to_owned(), leaf.to_string())),
    }
}

fn read_file(path: &Path) -> Result<Map<String, Value>, String> {
    let place = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("{place}: cannot be read: {error}"))?;
    toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(0, |span| text[..span.start].lines().count().max(1));
        format!("{place}: line {line}: {}", error.message())
    })
}

/// Takes over what a table sets and notes what does not belong there.
fn check(
    defaults: &Value,
    table: &Map<String, Value>,
    path: &str,
    place: &str,
    mistakes: &mut Vec<String>,
    merged: &mut Value,
) {
    for (name, value) in table {
        let key = join(path, name);
        match (defaults.get(name), value) {
            (None, _) => mistakes.push(unknown(&key, place, defaults)),
            (Some(inner @ Value::Object(_)), Value::Object(table)) => {
                check(inner, table, &key, place, mistakes, merged);
            }
            (Some(leaf), value) if is_like(leaf, value) => {
                set(merged, key.split('.'), value.clone());
            }
            (Some(leaf), _) => mistakes.push(format!("{place}: `{key}`: expected {}", kind(leaf))),
        }
    }
}

/// The default under an environment name such as `amqp__url`.
fn lookup<'a>(defaults: &'a Value, key: &str) -> Option<&'a Value> {
    key.split("__").try_fold(defaults, |value, name| value.get(name))
}

fn set<'a>(merged: &mut Value, path: impl Iterator<Item = &'a str>, value: Value) {
    let mut slot = merged;
    for name in path {
        if !slot.is_object() {
            *slot = Value::Object(Map::new());
        }
        slot = &mut slot[name];
    }
    *slot = value;
}

/// A variable's text as the type that the default has.
fn parse_like(default: &Value, text: &str) -> Result<Value, &'static str> {
    match default {
        Value::String(_) => Ok(Value::from(text)),
        // An absent value has no type: a number or a truth value where it reads as one.
        Value::Null => Ok(serde_json::from_str(text)
            .ok()
            .filter(|value: &Value| value.is_number() || value.is_boolean())
            .unwrap_or_else(|| Value::from(text))),
        Value::Array(_) if text.trim_start().starts_with('[') => serde_json::from_str(text)
            .ok()
            .filter(Value::is_array)
            .ok_or(r#"a list, such as ["a", "b"] or a,b"#),
        Value::Array(_) => {
            Ok(text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect())
        }
        other => {
            serde_json::from_str(text).ok().filter(|value| is_like(other, value)).ok_or(kind(other))
        }
    }
}

fn is_like(default: &Value, value: &Value) -> bool {
    match (default, value) {
        (Value::Null, value) => !value.is_object(),
        (Value::Number(default), Value::Number(number)) => default.is_f64() || !number.is_f64(),
        (default, value) => std::mem::discriminant(default) == std::mem::discriminant(value),
    }
}

fn kind(default: &Value) -> &'static str {
    match default {
        Value::Null => "a value",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a number",
        Value::Number(_) => "a whole number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a section",
    }
}

fn unknown(key: &str, place: &str, siblings: &Value) -> String {
    let known: Vec<&str> = siblings
        .as_object()
        .map(|fields| fields.keys().map(String::as_str).collect())
        .unwrap_or_default();
    format!("{place}: unknown key `{key}`; known here: {}", known.join(", "))
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use serde::Deserialize;

    #[derive(Debug, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Sample {
        listen: String,
        limits: Limits,
        urls: Vec<String>,
        file: Option<PathBuf>,
        secret: Secret,
    }

    #[derive(Debug, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Limits {
        frame_bytes: u64,
        ratio: f64,
        strict: bool,
    }

    impl Default for Limits {
        fn default() -> Self {
            Self { frame_bytes: 1024, ratio: 1.0, strict: false }
        }
    }

    impl Default for Sample {
        fn default() -> Self {
            Self {
                listen: "127.0.0.1:1".to_owned(),
                limits: Limits::default(),
                urls: vec![],
                file: None,
                secret: Secret::default(),
            }
        }
    }

    fn source(file: Option<&str>, env: &[(&str, &str)]) -> (tempfile::TempDir, Source) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sample.toml");
        if let Some(text) = file {
            std::fs::write(&path, text).unwrap();
        }
        let env =
            env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        (folder, Source { file: file.map(|_| path), prefix: "SAMPLE__", env })
    }

    #[test]
    fn the_environment_is_over_the_file_and_the_file_over_the_defaults() {
        let (_folder, source) = source(
            Some("listen = \"file\"\n[limits]\nframe_bytes = 5\nratio = 1\n"),
            &[
                ("SAMPLE__LISTEN", "env"),
                ("SAMPLE__LIMITS__STRICT", "true"),
                ("SAMPLE__URLS", "[\"http://a:1\", \"http://b:2\"]"),
                ("SAMPLE__FILE", "/etc/key"),
                ("SAMPLE__SECRET", "12345"),
                ("OTHER__LISTEN", "ignored"),
            ],
        );
        let sample: Sample = load(&source).unwrap();
        assert_eq!(
            (sample.listen.as_str(), sample.limits.frame_bytes, sample.limits.strict),
            ("env", 5, true)
        );
        assert_eq!(sample.urls, ["http://a:1", "http://b:2"]);
        assert_eq!(sample.file, Some(PathBuf::from("/etc/key")));
        assert_eq!(sample.secret.expose(), "12345", "a text stays a text");
    }

    #[test]
    fn every_mistake_is_shown_at_once_with_its_key_and_its_place() {
        let (_folder, source) = source(
            Some("[limits]\nframe_bites = 5\nframe_bytes = \"many\"\n"),
            &[("SAMPLE__LIMITS__RATIO", "high"), ("SAMPLE__LISTN", "x"), ("SAMPLE__LIMITS", "x")],
        );
        let errors = load::<Sample>(&source).unwrap_err().to_string();
        let lines: Vec<&str> = errors.lines().collect();
        assert_eq!(lines.len(), 5, "{errors}");
        for (named, place) in [
            ("limits.frame_bites", "sample.toml"),
            ("limits.frame_bytes", "whole number"),
            ("LIMITS__RATIO", "a number"),
            ("listn", "SAMPLE__LISTN"),
            ("limits", "section"),
        ] {
            assert!(
                lines.iter().any(|line| line.contains(named) && line.contains(place)),
                "{named}: {errors}"
            );
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_or_parsed_is_named() {
        let missing =
            Source { file: Some("/nowhere/x.toml".into()), prefix: "SAMPLE__", env: vec![] };
        assert!(load::<Sample>(&missing).unwrap_err().to_string().contains("/nowhere/x.toml"));
        let (_folder, broken) = source(Some("listen = \n"), &[]);
        assert!(load::<Sample>(&broken).unwrap_err().to_string().contains("line 1"));
    }

    #[test]
    fn a_printed_configuration_shows_no_secret() {
        let (_folder, source) = source(None, &[("SAMPLE__SECRET", "hunter2")]);
        let sample: Sample = load(&source).unwrap();
        assert!(!format!("{sample:?}").contains("hunter2"));
        assert!(!serde_json::to_string(&sample).unwrap().contains("hunter2"));
    }

    #[test]
    fn every_key_is_listed_for_the_documentation() {
        let keys = keys::<Sample>();
        assert!(keys.contains(&("limits.frame_bytes".to_owned(), "1024".to_owned())));
        assert!(keys.contains(&("file".to_owned(), "not set".to_owned())));
    }
}
