//! Configuration: defaults that work, one TOML file over them, the environment over both.
//!
//! This is the only place that reads the environment. Every mistake is shown at once, each with its
//! key, where it came from and what is allowed; an unknown key is a mistake. The defaults say which
//! keys exist and of which type they are.

mod layers;
mod mistakes;

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use self::layers::Layers;

pub use self::mistakes::{Mistakes, one_line};

/// What `check-config` prints when it has found no mistake.
pub const VALID: &str = "the configuration is valid";

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

/// Reads a configuration. `T::default()` names every key, an absent value being `null`, and gives each key the
/// value that it has while nobody sets it, whichever other keys of its section are set. Only the default of a
/// secret comes from the type of its section, which is therefore `#[serde(default)]`.
pub fn load<T>(source: &Source) -> Result<T, ConfigErrors>
where
    T: Serialize + DeserializeOwned + Default,
{
    prepare(source, |config, _| Some(config))
}

/// Reads a configuration as [`load`] does and has what a process needs made of it, or tells everything that is wrong:
/// also with a part of the configuration beside another part that cannot be read. A start and `check-config` call it
/// with the same function, which connects to nothing.
pub fn prepare<T, P>(
    source: &Source,
    prepare: impl FnOnce(T, &mut Mistakes) -> Option<P>,
) -> Result<P, ConfigErrors>
where
    T: Serialize + DeserializeOwned + Default,
{
    let mut mistakes = Mistakes::default();
    let prepared = read(source, &mut mistakes).and_then(|config| prepare(config, &mut mistakes));
    prepared.filter(|_| mistakes.is_empty()).ok_or_else(|| mistakes.into())
}

/// What could be read, every other key having its default; none when the file could not.
fn read<T>(source: &Source, mistakes: &mut Mistakes) -> Option<T>
where
    T: Serialize + DeserializeOwned + Default,
{
    let defaults = serde_json::to_value(T::default())
        .map_err(|error| format!("the defaults cannot be written: {error}"));
    let defaults = mistakes.keep(defaults)?;
    let mut layers = Layers::new(&defaults);
    let mut is_file_read = true;
    if let Some(path) = &source.file {
        match read_file(path) {
            Ok(table) => layers.add_table(&table, &path.display().to_string()),
            Err(mistake) => {
                is_file_read = false;
                mistakes.add(mistake);
            }
        }
    }
    let mut variables: Vec<_> = source.env.iter().collect();
    variables.sort();
    for (name, text) in variables {
        if let Some(key) = name.strip_prefix(source.prefix) {
            layers.add_variable(name, &key.to_lowercase(), text);
        }
    }
    let (config, found) = layers.read();
    for mistake in found {
        mistakes.add(mistake);
    }
    config.filter(|_| is_file_read)
}

/// Every key with its default, in order: what the documentation must list.
pub fn keys<T: Serialize + Default>() -> Vec<(String, String)> {
    values(&T::default())
}

/// Every key of a configuration with its value, in order; no secrets.
pub fn values<T: Serialize>(config: &T) -> Vec<(String, String)> {
    let mut keys = Vec::new();
    if let Ok(values) = serde_json::to_value(config) {
        collect(&values, "", &mut keys);
    }
    keys
}

fn collect(value: &Value, path: &str, keys: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                collect(field, &layers::join(path, name), keys);
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
        // The message alone: the library's full text quotes the line, which may hold a secret.
        format!("{place}: line {line}: {}", error.message())
    })
}
