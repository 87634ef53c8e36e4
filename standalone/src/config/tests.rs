//! Every key of every binary: documented, read by somebody, and set without changing another.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use platform::config::{Source, keys, load, values};
use serde::de::DeserializeOwned;

use self::descriptions::{Descriptions, unit};
use super::*;

mod descriptions;

#[test]
fn development_tokens_are_for_this_machine_only_unless_asked_for() {
    let config = TidingsConfig::default();
    let (here, everywhere) = ("127.0.0.1:1".parse().unwrap(), "0.0.0.0:1".parse().unwrap());
    assert!(config.gives_dev_tokens(None, here));
    assert!(config.gives_dev_tokens(None, "[::1]:1".parse().unwrap()));
    assert!(!config.gives_dev_tokens(None, everywhere));
    assert!(config.gives_dev_tokens(Some(true), everywhere));
    assert!(!config.gives_dev_tokens(Some(false), here));

    let mut asked = TidingsConfig::default();
    asked.auth.dev_tokens = true;
    assert!(asked.gives_dev_tokens(None, everywhere));
    assert!(!asked.gives_dev_tokens(Some(false), everywhere), "the command line wins");

    let mut others = TidingsConfig::default();
    others.auth.public_key_file = Some("public.pem".into());
    assert!(!others.gives_dev_tokens(None, here), "nothing to sign with");
}

const HEAD: &str = "# Configuration

Every key with its default and what it means, generated from the code. A binary reads its defaults, then one TOML file
(`--config FILE`), then the environment: `amqp.url` of the gateway is `TIDINGS_GATEWAY__AMQP__URL`. An unknown
key is an error that names it, and all mistakes are shown at once. Secrets are never printed.
";

/// Where the sources of the binaries are.
const PARTS: [&str; 7] = [
    "crates/bus",
    "chat-service",
    "gateway",
    "crates/platform",
    "crates/push",
    "presence-service",
    "standalone",
];

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn descriptions() -> Descriptions {
    let mut descriptions = Descriptions::default();
    for part in PARTS {
        descriptions.read(&root().join(part).join("src"));
    }
    descriptions
}

/// A binary, the prefix of its variables, its struct, and its keys.
type Binary = (&'static str, &'static str, &'static str, Vec<(String, String)>);

/// With the keys of each table of a list behind it.
fn with_lists(keys: Vec<(String, String)>) -> Vec<(String, String)> {
    let of_list = |(key, default): (String, String)| {
        let tables =
            if key == "tenants" { platform::config::keys::<TenantConfig>() } else { Vec::new() };
        let tables: Vec<_> = tables
            .into_iter()
            .map(|(name, default)| (format!("{key}[].{name}"), default))
            .collect();
        std::iter::once((key, default)).chain(tables)
    };
    keys.into_iter().flat_map(of_list).collect()
}

fn binaries() -> [Binary; 4] {
    use chat_service::process_config as chat;
    use gateway::config as edge;
    use presence_service::config as presence;
    [
        ("gateway", edge::ENV_PREFIX, "GatewayConfig", with_lists(keys::<edge::GatewayConfig>())),
        ("chat-service", chat::ENV_PREFIX, "ChatConfig", keys::<chat::ChatConfig>()),
        (
            "presence-service",
            presence::ENV_PREFIX,
            "PresenceConfig",
            keys::<presence::PresenceConfig>(),
        ),
        ("tidings (all-in-one)", ENV_PREFIX, "TidingsConfig", with_lists(keys::<TidingsConfig>())),
    ]
}

#[test]
fn every_key_has_a_sentence_that_says_its_unit() {
    let descriptions = descriptions();
    let mut wrong = Vec::new();
    for (binary, _, of, keys) in binaries() {
        for (key, _) in keys {
            match (descriptions.of(of, &key), unit(&key)) {
                (Some(text), Some(unit)) if text.to_lowercase().contains(unit) => {}
                (Some(text), None) if text.ends_with('.') => {}
                (text, unit) => wrong.push((binary, key, text, unit)),
            }
        }
    }
    assert!(wrong.is_empty(), "describe these keys, with their unit: {wrong:#?}");
    assert_eq!(descriptions.of("GatewayConfig", "amqp.no_such_key"), None);
}

#[test]
fn the_committed_list_of_keys_is_the_one_in_the_code() {
    let (mut text, descriptions) = (HEAD.to_owned(), descriptions());
    for (binary, prefix, of, keys) in binaries() {
        let head = "| key | default | what it means |\n|---|---|---|";
        write!(text, "\n## {binary} (`{prefix}`)\n\n{head}\n").unwrap();
        for (key, default) in keys {
            let meaning = descriptions.of(of, &key).unwrap_or_default().replace('|', "\\|");
            writeln!(text, "| `{key}` | `{default}` | {meaning} |").unwrap();
        }
    }
    let path = root().join("docs/configuration.md");
    if std::fs::read_to_string(path).unwrap_or_default() != text {
        std::fs::create_dir_all(root().join("target")).unwrap();
        std::fs::write(root().join("target/configuration.md"), &text).unwrap();
        panic!("docs/configuration.md is out of date: copy target/configuration.md over it");
    }
}

/// Other values that a key may take, by the text of its default.
fn others(default: &str) -> Vec<String> {
    let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    match serde_json::from_str::<serde_json::Value>(default) {
        Ok(serde_json::Value::Bool(value)) => vec![(!value).to_string()],
        Ok(serde_json::Value::Number(number)) if number.is_f64() => vec!["0.25".to_owned()],
        Ok(serde_json::Value::Number(number)) => {
            vec![(number.as_u64().unwrap() + 1).to_string()]
        }
        Ok(serde_json::Value::Array(_)) => {
            list(&[r#"["10.7.0.0/16"]"#, "[7]", r#"["queries"]"#, r#"[{"id": "acme"}]"#])
        }
        // Not every text will do for each, and what has no default may be a number.
        _ => list(&["/other", "json", "quorum", "contacts", "full", "id", "7"]),
    }
}

/// The configuration with one key set to something else, and nothing else set.
fn alone<T>(prefix: &'static str, key: &str, default: &str) -> Vec<(String, String)>
where
    T: Serialize + DeserializeOwned + Default,
{
    let name = format!("{prefix}{}", key.replace('.', "__").to_uppercase());
    let mut refused = String::new();
    for other in others(default) {
        let source = Source { file: None, prefix, env: vec![(name.clone(), other)] };
        match load::<T>(&source) {
            Ok(config) => return values(&config),
            Err(errors) => refused = errors.to_string(),
        }
    }
    panic!("{name}: {refused}");
}

fn each_key_alone<T>(prefix: &'static str)
where
    T: Serialize + DeserializeOwned + Default,
{
    let documented = keys::<T>();
    let untouched: T = load(&Source { file: None, prefix, env: Vec::new() }).unwrap();
    assert_eq!(values(&untouched), documented, "{prefix}: nothing set");
    for (key, default) in &documented {
        let mut loaded = alone::<T>(prefix, key, default);
        let own = loaded.iter_mut().find(|(other, _)| other == key).unwrap();
        let is_secret = own.1 == "\"redacted\"";
        assert!(is_secret || own.1 != *default, "{prefix}: `{key}` cannot be set");
        own.1.clone_from(default);
        assert_eq!(&loaded, &documented, "{prefix}: `{key}` changes another key");
    }
}

#[test]
fn a_key_that_is_set_alone_leaves_every_other_at_its_documented_default() {
    each_key_alone::<gateway::config::GatewayConfig>(gateway::config::ENV_PREFIX);
    each_key_alone::<chat_service::process_config::ChatConfig>(
        chat_service::process_config::ENV_PREFIX,
    );
    each_key_alone::<presence_service::config::PresenceConfig>(
        presence_service::config::ENV_PREFIX,
    );
    each_key_alone::<TidingsConfig>(ENV_PREFIX);
}

/// What the binaries are made of, without their tests.
fn sources(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !path.ends_with("tests.rs")
        {
            let source = std::fs::read_to_string(&path).unwrap();
            let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            let lines = code.lines().map(str::trim).filter(|line| !line.starts_with("//"));
            lines.for_each(|line| text.push_str(line));
        }
    }
}

/// Whether a field of this name is read: `.name`, and not the call of a method.
fn is_read(sources: &str, name: &str) -> bool {
    sources.match_indices(&format!(".{name}")).any(|(at, found)| {
        let next = sources[at + found.len()..].chars().next().unwrap_or(' ');
        !next.is_alphanumeric() && next != '_' && next != '('
    })
}

#[test]
fn every_key_is_read_by_somebody() {
    let mut text = String::new();
    for part in PARTS {
        sources(&root().join(part).join("src"), &mut text);
    }
    let all = binaries().into_iter().flat_map(|(_, _, _, keys)| keys);
    let name = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let unread: Vec<String> =
        all.map(|(key, _)| key).filter(|key| !is_read(&text, &name(key))).collect();
    assert!(unread.is_empty(), "nothing reads {unread:?}: remove the key or read it");
    assert!(!is_read(&text, "a_key_that_nobody_knows") && is_read("a.b;", "b"));
}
