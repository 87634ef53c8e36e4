//! The layers of a configuration, and every mistake in one told at once.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]

use std::path::PathBuf;

use platform::config::{Source, keys, load};
use platform::secret::Secret;
use platform::telemetry::LogFormat;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Sample {
    listen: String,
    limits: Limits,
    urls: Vec<String>,
    file: Option<PathBuf>,
    workers: Option<u16>,
    format: LogFormat,
    secret: Secret,
    other_secret: Option<Secret>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Limits {
    frame_bytes: u64,
    port: u16,
    ratio: f64,
    strict: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { frame_bytes: 1024, port: 1, ratio: 1.0, strict: false }
    }
}

impl Default for Sample {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:1".to_owned(),
            limits: Limits::default(),
            urls: vec![],
            file: None,
            workers: None,
            format: LogFormat::Text,
            secret: Secret::default(),
            other_secret: None,
        }
    }
}

fn source(file: Option<&str>, env: &[(&str, &str)]) -> (tempfile::TempDir, Source) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sample.toml");
    if let Some(text) = file {
        std::fs::write(&path, text).unwrap();
    }
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    (folder, Source { file: file.map(|_| path), prefix: "SAMPLE__", env })
}

/// Loads and expects exactly these mistakes: for each, what its line must contain.
fn expect_mistakes(file: Option<&str>, env: &[(&str, &str)], expected: &[&[&str]]) {
    let (_folder, source) = source(file, env);
    let errors = load::<Sample>(&source).unwrap_err().to_string();
    assert_eq!(errors.lines().count(), expected.len(), "{errors}");
    for parts in expected {
        let told = errors.lines().any(|line| parts.iter().all(|part| line.contains(part)));
        assert!(told, "no line says {parts:?}:\n{errors}");
    }
}

#[test]
fn nothing_set_means_the_defaults() {
    let (_folder, source) = source(None, &[("OTHER__LISTEN", "ignored"), ("SAMPLE_LISTEN", "too")]);
    let sample: Sample = load(&source).unwrap();
    assert_eq!((sample.listen.as_str(), sample.limits.frame_bytes), ("127.0.0.1:1", 1024));
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
            ("SAMPLE__WORKERS", "4"),
            ("SAMPLE__FORMAT", "json"),
        ],
    );
    let sample: Sample = load(&source).unwrap();
    assert_eq!(
        (sample.listen.as_str(), sample.limits.frame_bytes, sample.limits.strict),
        ("env", 5, true)
    );
    assert_eq!(sample.urls, ["http://a:1", "http://b:2"]);
    assert_eq!((sample.file, sample.workers), (Some(PathBuf::from("/etc/key")), Some(4)));
    assert_eq!(sample.format, LogFormat::Json);
}

#[test]
fn a_list_may_be_written_with_commas() {
    let (_folder, source) = source(None, &[("SAMPLE__URLS", "http://a:1, http://b:2,")]);
    assert_eq!(load::<Sample>(&source).unwrap().urls, ["http://a:1", "http://b:2"]);
}

#[test]
fn a_text_that_looks_like_a_number_stays_a_text() {
    let variables = [
        ("SAMPLE__SECRET", "12345"),
        ("SAMPLE__OTHER_SECRET", "67890"),
        ("SAMPLE__FILE", "7"),
        ("SAMPLE__LISTEN", "true"),
    ];
    let (_folder, source) = source(None, &variables);
    let sample: Sample = load(&source).unwrap();
    assert_eq!(sample.secret.expose(), "12345");
    assert_eq!(sample.other_secret.unwrap().expose(), "67890");
    assert_eq!((sample.file, sample.listen.as_str()), (Some(PathBuf::from("7")), "true"));
}

#[test]
fn every_mistake_is_shown_at_once_with_its_key_and_its_place() {
    expect_mistakes(
        Some("[limits]\nframe_bites = 5\nframe_bytes = \"many\"\n"),
        &[("SAMPLE__LIMITS__RATIO", "high"), ("SAMPLE__LISTN", "x"), ("SAMPLE__LIMITS", "x")],
        &[
            &["sample.toml", "unknown key `limits.frame_bites`", "frame_bytes, port"],
            &["sample.toml", "`limits.frame_bytes`", "a whole number"],
            &["SAMPLE__LIMITS__RATIO", "`limits.ratio`", "a number", "`high`"],
            &["SAMPLE__LISTN", "unknown key `listn`", "listen"],
            &["variable SAMPLE__LIMITS:", "section", "strict"],
        ],
    );
}

#[test]
fn values_that_their_type_refuses_are_all_shown_with_their_place() {
    expect_mistakes(
        Some("format = \"xml\"\nurls = [1]\n"),
        &[("SAMPLE__LIMITS__PORT", "70000"), ("SAMPLE__WORKERS", "many"), ("SAMPLE__NO", "1")],
        &[
            &["sample.toml", "`format`", "`xml`", "`text`", "`json`"],
            &["sample.toml", "`urls[0]`", "string"],
            &["SAMPLE__LIMITS__PORT", "70000", "u16"],
            &["SAMPLE__WORKERS", "`workers`", "many"],
            &["SAMPLE__NO", "unknown key"],
        ],
    );
}

#[test]
fn a_variable_inside_of_a_value_is_an_unknown_key() {
    expect_mistakes(None, &[("SAMPLE__LISTEN__PORT", "1")], &[&["unknown key `listen.port`"]]);
}

#[test]
fn a_file_that_cannot_be_read_or_parsed_is_named_beside_other_mistakes() {
    let missing = Source {
        file: Some("/nowhere/x.toml".into()),
        prefix: "SAMPLE__",
        env: vec![("SAMPLE__LISTN".into(), String::new())],
    };
    let errors = load::<Sample>(&missing).unwrap_err().0;
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].starts_with("/nowhere/x.toml: cannot be read"), "{errors:?}");
    expect_mistakes(Some("secret = \"hunter2\nlisten = 1"), &[], &[&["sample.toml: line 1"]]);
}

#[test]
fn no_message_and_no_printed_configuration_shows_a_secret() {
    let (_folder, good) = source(None, &[("SAMPLE__SECRET", "hunter2")]);
    let sample: Sample = load(&good).unwrap();
    assert!(!format!("{sample:?}").contains("hunter2"));
    assert!(!serde_json::to_string(&sample).unwrap().contains("hunter2"));
    for file in ["secret = \"hunter2\nlisten = 1", "secret = 4711", "other_secret = 4711"] {
        let (_folder, bad) = source(Some(file), &[]);
        let errors = load::<Sample>(&bad).unwrap_err().to_string();
        assert!(!errors.contains("hunter2") && !errors.contains("4711"), "{errors}");
    }
}

#[test]
fn every_key_is_listed_for_the_documentation() {
    let keys = keys::<Sample>();
    assert!(keys.contains(&("limits.frame_bytes".to_owned(), "1024".to_owned())));
    assert!(keys.contains(&("file".to_owned(), "not set".to_owned())));
}
