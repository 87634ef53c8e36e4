//! What each key of a configuration means: the comments of the fields, read from the source, so that the
//! documentation says the same as the code.

use std::collections::BTreeMap;
use std::path::Path;

/// The fields of each public struct: their comment and their type.
#[derive(Default)]
pub(super) struct Descriptions(BTreeMap<String, BTreeMap<String, (String, String)>>);

impl Descriptions {
    /// Reads all sources below a folder.
    pub(super) fn read(&mut self, folder: &Path) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.read(&path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                self.add(&std::fs::read_to_string(&path).unwrap());
            }
        }
    }

    fn add(&mut self, source: &str) {
        let (mut of, mut comment) = (None, Vec::new());
        for line in source.lines().map(str::trim) {
            if let Some(name) =
                line.strip_prefix("pub struct ").and_then(|rest| rest.strip_suffix(" {"))
            {
                of = Some(name.to_owned());
                comment.clear();
            } else if line == "}" {
                of = None;
            } else if let Some(text) = line.strip_prefix("///") {
                comment.push(text.trim());
            } else if let Some(name) = &of
                && let Some(field) = line.strip_prefix("pub ")
                && let Some((field, kind)) = field.split_once(": ")
            {
                let kind = kind.trim_end_matches(',');
                let kind = kind
                    .strip_prefix("Option<")
                    .and_then(|kind| kind.strip_suffix('>'))
                    .unwrap_or(kind);
                let kind = kind.rsplit("::").next().unwrap_or(kind).to_owned();
                let text = comment.join(" ");
                self.0.entry(name.clone()).or_default().insert(field.to_owned(), (text, kind));
                comment.clear();
            }
        }
    }

    /// The comment of a key such as `amqp.url` or, in a list, `tenants[].id` of this struct; nothing when there is none.
    pub(super) fn of(&self, root: &str, key: &str) -> Option<&str> {
        let (mut kind, mut text) = (root, "");
        for name in key.split('.') {
            let of = kind.strip_prefix("Vec<").and_then(|kind| kind.strip_suffix('>'));
            let name = name.trim_end_matches("[]");
            (text, kind) = self
                .0
                .get(of.unwrap_or(kind))?
                .get(name)
                .map(|(text, kind)| (text.as_str(), kind.as_str()))?;
        }
        (!text.is_empty()).then_some(text)
    }
}

/// The unit that the name of a key ends with, as its description has to say it.
pub(super) fn unit(key: &str) -> Option<&'static str> {
    [("_ms", "millisecond"), ("_secs", "second"), ("_bytes", "byte")]
        .into_iter()
        .find_map(|(ending, unit)| key.ends_with(ending).then_some(unit))
}
