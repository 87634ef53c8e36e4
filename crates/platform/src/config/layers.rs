//! Layers of settings over the defaults: each checked against them as it is added, and remembered with
//! its place, so that a mistake found later still names the file or variable.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::secret::REDACTED;

/// Longest part of a wrong value that is shown.
const SHOWN_CHARS: usize = 40;

/// What was set so far, by whom, and what is wrong with it.
pub(super) struct Layers<'a> {
    defaults: &'a Value,
    merged: Value,
    /// By dotted key, what set it last.
    settings: BTreeMap<String, Setting>,
    mistakes: Vec<String>,
}

#[derive(Clone)]
struct Setting {
    /// The file or variable.
    place: String,
    /// A variable's text that was read as a number or truth value, where the default has no type.
    text: Option<String>,
}

impl<'a> Layers<'a> {
    pub(super) fn new(defaults: &'a Value) -> Self {
        let merged = readable(defaults);
        Self { defaults, merged, settings: BTreeMap::new(), mistakes: Vec::new() }
    }

    /// Takes over what a file sets and notes what does not belong there.
    pub(super) fn add_table(&mut self, table: &Map<String, Value>, place: &str) {
        self.add_section(self.defaults, table, "", place);
    }

    fn add_section(
        &mut self,
        defaults: &Value,
        table: &Map<String, Value>,
        path: &str,
        place: &str,
    ) {
        for (name, value) in table {
            let key = join(path, name);
            match (defaults.get(name), value) {
                (None, _) => self.mistakes.push(unknown(&key, place, defaults)),
                (Some(inner @ Value::Object(_)), Value::Object(table)) => {
                    self.add_section(inner, table, &key, place);
                }
                (Some(leaf), value) if is_like(leaf, value) => {
                    let setting = Setting { place: place.to_owned(), text: None };
                    self.set(&key, value.clone(), setting);
                }
                (Some(leaf), _) => {
                    self.mistakes.push(format!("{place}: `{key}`: expected {}", kind(leaf)));
                }
            }
        }
    }

    /// Takes over a variable. `key` is its name without the prefix, such as `amqp__url`.
    pub(super) fn add_variable(&mut self, name: &str, key: &str, text: &str) {
        let place = format!("environment variable {name}");
        let key = key.replace("__", ".");
        let mut section = self.defaults;
        for part in key.split('.') {
            match section.get(part) {
                Some(inner) => section = inner,
                None => return self.mistakes.push(unknown(&key, &place, section)),
            }
        }
        if section.is_object() {
            let known = names(section);
            let mistake = format!("{place}: `{key}` is a section; name one of its keys: {known}");
            return self.mistakes.push(mistake);
        }
        match parse_like(section, text) {
            Ok(value) => {
                let text = (section.is_null() && !value.is_string()).then(|| text.to_owned());
                self.set(&key, value, Setting { place, text });
            }
            // Never a secret: a text is taken as it is.
            Err(expected) => {
                let shown: String = text.chars().take(SHOWN_CHARS).collect();
                self.mistakes
                    .push(format!("{place}: `{key}`: expected {expected}, found `{shown}`"));
            }
        }
    }

    fn set(&mut self, key: &str, value: Value, setting: Setting) {
        let mut slot = &mut self.merged;
        for name in key.split('.') {
            if !slot.is_object() {
                *slot = Value::Object(Map::new());
            }
            slot = &mut slot[name];
        }
        *slot = value;
        self.settings.insert(key.to_owned(), setting);
    }

    /// Takes a setting back: its key has its default again.
    fn remove(&mut self, key: &str) {
        let (section, name) = match key.rsplit_once('.') {
            Some((section, name)) => (format!("/{}", section.replace('.', "/")), name),
            None => (String::new(), key),
        };
        let default = self.defaults.pointer(&section).and_then(|section| section.get(name));
        let default = default.filter(|default| !is_secret(default)).cloned();
        if let Some(Value::Object(fields)) = self.merged.pointer_mut(&section) {
            match default {
                Some(default) => fields.insert(name.to_owned(), default),
                None => fields.remove(name),
            };
        }
        self.settings.remove(key);
    }

    /// Reads everything that is good, and tells every mistake. A value that its type refuses (out of range, not
    /// one of the choices) is taken out and the rest read again, to find the next one.
    pub(super) fn read<T: DeserializeOwned>(mut self) -> (Option<T>, Vec<String>) {
        loop {
            let error = match serde_path_to_error::deserialize(self.merged.clone()) {
                Ok(config) => return (Some(config), self.mistakes),
                Err(error) => error,
            };
            let path = error.path().to_string();
            // The path of an element of a list begins with that of the list.
            let set = self.settings.iter().find(|(key, _)| {
                path.strip_prefix(key.as_str()).is_some_and(|rest| {
                    rest.is_empty() || rest.starts_with('[') || rest.starts_with('.')
                })
            });
            let Some((key, setting)) = set.map(|(key, setting)| (key.clone(), setting.clone()))
            else {
                self.mistakes.push(format!("`{path}`: {}", error.inner()));
                return (None, self.mistakes);
            };
            if let Some(text) = setting.text {
                // It looked like a number and was to be a text.
                let setting = Setting { place: setting.place, text: None };
                self.set(&key, Value::from(text), setting);
            } else {
                self.mistakes.push(format!("{}: `{path}`: {}", setting.place, error.inner()));
                self.remove(&key);
            }
        }
    }
}

/// The defaults as something to read from. The default of a secret is not written out: it comes from the type
/// of its section.
fn readable(defaults: &Value) -> Value {
    match defaults {
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(_, value)| !is_secret(value));
            Value::Object(fields.map(|(name, value)| (name.clone(), readable(value))).collect())
        }
        leaf => leaf.clone(),
    }
}

fn is_secret(value: &Value) -> bool {
    value.as_str() == Some(REDACTED)
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

fn unknown(key: &str, place: &str, section: &Value) -> String {
    format!("{place}: unknown key `{key}`; known here: {}", names(section))
}

fn names(section: &Value) -> String {
    let names: Vec<&str> = section
        .as_object()
        .into_iter()
        .flat_map(|fields| fields.keys().map(String::as_str))
        .collect();
    names.join(", ")
}

pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
