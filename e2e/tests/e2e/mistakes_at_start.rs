//! A mistake at the start is one clear line and exit code 2, for each binary, and tells no secret. `check-config`
//! finds each of them with the same words, all at once, and connects to nothing.

use std::net::TcpListener;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use e2e::process::command;
use e2e::token::SECRET;

/// How long a refusal may take on a busy machine.
const REFUSAL: Duration = Duration::from_secs(30);
/// Stands in every place that may hold a secret; nothing that is printed may contain it.
const HIDDEN: &str = "hunter2";

/// A binary with settings that it would start with.
struct Binary {
    name: &'static str,
    prefix: &'static str,
    arguments: Vec<String>,
    settings: Vec<(&'static str, String)>,
}

impl Binary {
    fn services() -> [Self; 3] {
        let ports = |kind| vec![(kind, here(0)), ("MANAGEMENT_LISTEN", here(0))];
        let mut gateway = ports("LISTEN");
        gateway.push(("AUTH__HS256_SECRET", SECRET.to_owned()));
        let mut chat = ports("GRPC_LISTEN");
        chat.push(("DATABASE__URL", format!("postgres://u:{HIDDEN}@127.0.0.1:1/x")));
        let of = |name, prefix, settings| Self { name, prefix, arguments: Vec::new(), settings };
        [
            of("gateway", "TIDINGS_GATEWAY__", gateway),
            of("chat-service", "TIDINGS_CHAT__", chat),
            of("presence-service", "TIDINGS_PRESENCE__", ports("GRPC_LISTEN")),
        ]
    }

    fn tidings(folder: &Path) -> Self {
        let data = folder.join("data").to_str().unwrap().to_owned();
        let arguments = ["serve", "--data", &data].map(str::to_owned).to_vec();
        let settings = vec![("LISTEN", here(0)), ("MANAGEMENT_LISTEN", here(0))];
        Self { name: "tidings", prefix: "TIDINGS__", arguments, settings }
    }

    fn all(folder: &Path) -> Vec<Self> {
        Self::services().into_iter().chain([Self::tidings(folder)]).collect()
    }

    /// Where clients or callers reach it.
    fn listen_key(&self) -> &'static str {
        self.settings[0].0
    }

    /// The same, so that it checks its configuration.
    fn checking(&self) -> Self {
        let kept = self.arguments.iter().filter(|argument| *argument != "serve").cloned();
        let arguments = ["check-config".to_owned()].into_iter().chain(kept).collect();
        Self { name: self.name, prefix: self.prefix, arguments, settings: self.settings.clone() }
    }

    /// Starts it with one more setting and expects the refusal to name each of `named`, and the same one from
    /// `check-config`.
    async fn refuses(&self, key: &str, value: &str, named: &[&str]) {
        self.refuses_with(&[], &[(key, value)], named).await;
    }

    async fn refuses_with(&self, arguments: &[&str], changes: &[(&str, &str)], named: &[&str]) {
        let said = self.refusal(arguments, changes, named).await;
        assert_eq!(self.checking().refusal(arguments, changes, named).await, said);
    }

    /// What it says in its one line.
    async fn refusal(
        &self,
        arguments: &[&str],
        changes: &[(&str, &str)],
        named: &[&str],
    ) -> String {
        let what = format!("{} {:?} {arguments:?} {changes:?}", self.name, self.arguments);
        let output = self.output(arguments, changes).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{what}: {said}");
        assert_eq!(said.trim_end().lines().count(), 1, "{what}: one line, not\n{said}");
        for word in named {
            assert!(said.contains(word), "{what}: `{word}` is missing in: {said}");
        }
        let printed = said.clone() + &String::from_utf8(output.stdout).unwrap();
        assert!(!printed.contains(HIDDEN) && !printed.contains(SECRET), "{what}: {printed}");
        assert!(!printed.contains("panicked"), "{what}: {printed}");
        said
    }

    /// Runs it to its end.
    async fn output(&self, arguments: &[&str], changes: &[(&str, &str)]) -> Output {
        let kept =
            self.settings.iter().filter(|(key, _)| changes.iter().all(|(other, _)| key != other));
        let kept = kept.map(|(key, value)| (format!("{}{key}", self.prefix), value.clone()));
        // An empty value takes the setting out.
        let changed = changes.iter().filter(|(_, value)| !value.is_empty());
        let changed =
            changed.map(|(key, value)| (format!("{}{key}", self.prefix), (*value).to_owned()));
        let environment: Vec<_> = kept.chain(changed).collect();
        let all: Vec<&str> =
            self.arguments.iter().map(String::as_str).chain(arguments.iter().copied()).collect();
        let running = command(self.name, &all, &environment).output();
        tokio::time::timeout(REFUSAL, running)
            .await
            .unwrap_or_else(|_| panic!("{} {all:?} {changes:?}: it started", self.name))
            .unwrap()
    }
}

fn here(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let holder = TcpListener::bind(here(0)).unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    for binary in Binary::all(folder.path()) {
        for key in [binary.listen_key(), "MANAGEMENT_LISTEN"] {
            binary.refusal(&[], &[(key, &taken)], &[&taken, "in use"]).await;
            // It may be taken by the very server whose configuration is looked at.
            let checked = binary.checking().output(&[], &[(key, &taken)]).await;
            assert!(checked.status.success(), "{}: {checked:?}", binary.name);
        }
    }
}

#[tokio::test]
async fn an_address_to_listen_at_that_is_none_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for binary in Binary::all(folder.path()) {
        for key in [binary.listen_key(), "MANAGEMENT_LISTEN"] {
            binary.refuses(key, "nowhere", &[&key.to_lowercase(), "`nowhere`"]).await;
        }
    }
}

#[tokio::test]
async fn a_good_configuration_is_called_valid_and_nothing_is_connected_to_or_made() {
    let folder = tempfile::tempdir().unwrap();
    let backend = TcpListener::bind(here(0)).unwrap();
    backend.set_nonblocking(true).unwrap();
    let at = backend.local_addr().unwrap();
    let (amqp, database) = (format!("amqp://u:p@{at}/x"), format!("postgres://u:p@{at}/x"));
    let (redis, grpc) = (format!("redis://{at}/0"), format!("http://{at}"));
    let spans = [("TELEMETRY__OTLP_ENDPOINT", grpc.as_str())];
    let amqp = ("AMQP__URL", amqp.as_str());
    let chat = ("CHAT_GRPC__URLS", grpc.as_str());
    let presence = ("PRESENCE_GRPC__URLS", grpc.as_str());
    let needs: [&[(&str, &str)]; 4] = [
        &[amqp, chat, presence],
        &[amqp, presence, ("DATABASE__URL", &database)],
        &[amqp, chat, ("REDIS__URL", &redis)],
        &[],
    ];
    for (binary, needs) in Binary::all(folder.path()).into_iter().zip(needs) {
        let checked = binary.checking().output(&[], &[needs, &spans].concat()).await;
        assert!(checked.status.success(), "{}: {checked:?}", binary.name);
        assert_eq!(checked.stdout, b"the configuration is valid\n", "{}", binary.name);
        assert!(checked.stderr.is_empty(), "{}: {checked:?}", binary.name);
    }
    let called = backend.accept().map(|(_, caller)| caller).map_err(|error| error.kind());
    assert_eq!(called, Err(std::io::ErrorKind::WouldBlock), "somebody connected");
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "something was made");
}

#[tokio::test]
async fn all_mistakes_are_said_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let everywhere = [
        ("LISTNE", "x", "unknown key `listne`"),
        ("STOP_GRACE_MS", "soon", "stop_grace_ms"),
        ("MANAGEMENT_LISTEN", "nowhere", "management_listen"),
        ("TELEMETRY__LOG_FILTER", "gateway=loud", "telemetry.log_filter"),
        ("TELEMETRY__SAMPLE_RATIO", "2.5", "telemetry.sample_ratio"),
    ];
    let amqp = ("AMQP__URL", "nonsense", "amqp.url");
    let tokens = [
        ("AUTH__JWKS_FILE", "/nowhere.json", "auth.jwks_file"),
        ("AUTH__PUBLIC_KEY_FILE", "/nowhere.pem", "auth.public_key_file"),
        ("LOGIN__REDIRECT_URL", "http://app.example", "login.redirect_url"),
    ];
    let server = [
        ("GRPC_TLS__CERT_FILE", "/nowhere.crt", "grpc_tls.key_file"),
        ("GRPC_LISTEN", "nowhere", "grpc_listen"),
    ];
    let chat = ("CHAT_GRPC__URLS", "chat:1,https://chat", "`https://chat`");
    let presence = ("PRESENCE_GRPC__URLS", "[]", "presence_grpc.urls");
    let redis = ("REDIS__URL", "nonsense", "redis.url");
    let database = ("DATABASE__URL_FILE", "/nowhere.url", "database.url_file");
    let broker_ca = ("AMQP__CA_FILE", "/nowhere.crt", "amqp.ca_file: cannot read /nowhere.crt");
    let redis_ca = ("REDIS__CA_FILE", "/nowhere.crt", "redis.ca_file: cannot read /nowhere.crt");
    let servers = ("EDGE__SERVERS", "[\"gateway-1\"]", "edge.servers");
    let id = ("GATEWAY_ID", "a b", "gateway_id");
    let own = [
        [&[amqp, broker_ca, chat, presence, id, servers][..], &tokens].concat(),
        [&[amqp, broker_ca, presence, database][..], &server].concat(),
        [&[amqp, broker_ca, chat, redis_ca, redis][..], &server].concat(),
        tokens.to_vec(),
    ];
    for (binary, own) in Binary::all(folder.path()).into_iter().zip(own) {
        let planted = [&everywhere[..], &own].concat();
        let changes: Vec<_> = planted.iter().map(|(key, value, _)| (*key, *value)).collect();
        let checked = binary.checking().output(&[], &changes).await;
        assert_eq!(checked.status.code(), Some(2), "{}: {checked:?}", binary.name);
        let said = String::from_utf8(checked.stderr).unwrap();
        for (key, _, word) in planted {
            assert!(said.contains(word), "{}: {key} is missing in:\n{said}", binary.name);
        }
        let started = binary.output(&[], &changes).await;
        assert_eq!(String::from_utf8(started.stderr).unwrap(), said, "{}", binary.name);
    }
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "something was made");
}

#[tokio::test]
async fn authorities_for_an_address_without_tls_are_a_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.crt");
    let certificate = e2e::tls_proxy::Certificate::new("an authority");
    std::fs::write(&ca, certificate.authority).unwrap();
    let ca = ca.to_str().unwrap();
    for binary in Binary::services() {
        binary.refuses("AMQP__CA_FILE", ca, &["amqp.url: does not begin with amqps://"]).await;
    }
    let [_, _, presence] = Binary::services();
    presence.refuses("REDIS__CA_FILE", ca, &["redis.url: does not begin with rediss://"]).await;
}

#[tokio::test]
async fn an_unknown_key_is_named_and_so_is_what_has_the_wrong_type() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    std::fs::write(&file, "[telemetry]\nlog_fliter = \"info\"\n").unwrap();
    let path = file.to_str().unwrap();
    for binary in Binary::all(folder.path()) {
        binary.refuses("TELEMETRY__LOG_FLITER", "info", &["telemetry.log_fliter", "unknown"]).await;
        binary.refuses("LISTNE", "127.0.0.1:1", &["listne", "unknown"]).await;
        binary.refuses("STOP_GRACE_MS", "soon", &["stop_grace_ms", "soon"]).await;
        binary
            .refuses_with(&["--config", path], &[], &["log_fliter", "unknown", "config.toml"])
            .await;
    }
}

#[tokio::test]
async fn a_configuration_file_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.toml");
    std::fs::write(&broken, format!("secret = \"{HIDDEN}\n")).unwrap();
    for binary in Binary::all(folder.path()) {
        binary.refuses_with(&["--config", "/nowhere.toml"], &[], &["/nowhere.toml"]).await;
        let path = broken.to_str().unwrap();
        binary.refuses_with(&["--config", path], &[], &["broken.toml", "line 1"]).await;
    }
}

#[tokio::test]
async fn a_key_file_that_is_missing_or_holds_no_key_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let garbage = folder.path().join("garbage.pem");
    std::fs::write(&garbage, HIDDEN).unwrap();
    let garbage = garbage.to_str().unwrap();
    let [gateway, ..] = Binary::services();
    for binary in [gateway, Binary::tidings(folder.path())] {
        for key in ["AUTH__PUBLIC_KEY_FILE", "AUTH__JWKS_FILE", "AUTH__HS256_SECRET_FILE"] {
            binary.refuses(key, "/nowhere.pem", &["/nowhere.pem"]).await;
            // A secret of seven bytes is none, either.
            binary.refuses(key, garbage, &[garbage]).await;
        }
    }
}

#[tokio::test]
async fn a_missing_or_short_secret_is_said_and_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let [gateway, ..] = Binary::services();
    gateway.refuses("AUTH__HS256_SECRET", "", &["auth", "hs256_secret"]).await;
    gateway.refuses("AUTH__HS256_SECRET", HIDDEN, &["hs256_secret", "16"]).await;
    let tidings = Binary::tidings(folder.path());
    tidings.refuses("AUTH__HS256_SECRET", HIDDEN, &["hs256_secret", "16"]).await;
    // No server has made one here yet.
    let empty = folder.path().join("empty");
    let arguments = ["token", "--user", "ann", "--data", empty.to_str().unwrap()];
    let token = Binary { arguments: arguments.map(str::to_owned).to_vec(), ..tidings };
    token.refusal(&[], &[], &["secret"]).await;
}

#[tokio::test]
async fn what_is_wrong_with_a_tenant_is_said_and_no_key_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let [gateway, ..] = Binary::services();
    let mut tidings = Binary::tidings(folder.path());
    tidings.settings.push(("AUTH__HS256_SECRET", SECRET.to_owned()));
    let good = r#""hs256_secret":"a secret of more than sixteen bytes""#;
    for (list, named) in [
        (
            format!(r#"[{{"id":"acme","hs256_secret":"{SECRET}"}}]"#),
            "tenants.acme: has a key that auth has, too",
        ),
        (
            format!(r#"[{{"id":"a",{good}}},{{"id":"b",{good}}}]"#),
            "tenants.b: has a key that tenants.a has, too",
        ),
        (format!(r#"[{{"id":"acme","hs256_secret":"{HIDDEN}"}}]"#), "tenants.acme.hs256_secret"),
        (r#"[{"id":"acme"}]"#.to_owned(), "tenants.acme: set one of hs256_secret"),
        (format!(r#"[{{"id":"Acme",{good}}}]"#), "`Acme` cannot name a tenant"),
        (
            format!(r#"[{{"id":"default",{good}}}]"#),
            "`default` is the tenant of the section `auth`",
        ),
        (format!(r#"[{{"id":"acme","key":1,{good}}}]"#), "unknown field `key`"),
    ] {
        for binary in [&gateway, &tidings] {
            binary.refuses("TENANTS", &list, &[named]).await;
        }
    }
}

#[tokio::test]
async fn an_address_that_is_none_is_named_without_its_password() {
    let [gateway, chat, presence] = Binary::services();
    let bad = format!("http://user:{HIDDEN}@127.0.0.1:1");
    let no_port = format!("amqp://user:{HIDDEN}@127.0.0.1:port/x");
    for binary in [&gateway, &chat, &presence] {
        for url in [bad.as_str(), no_port.as_str(), "nonsense"] {
            binary.refuses("AMQP__URL", url, &["amqp.url"]).await;
        }
    }
    for url in [bad.as_str(), "nonsense"] {
        chat.refuses("DATABASE__URL", url, &["database.url"]).await;
        presence.refuses("REDIS__URL", url, &["redis.url"]).await;
    }
    gateway.refuses("CHAT_GRPC__URLS", "nonsense", &["chat_grpc.urls", "nonsense"]).await;
    gateway.refuses("PRESENCE_GRPC__URLS", "[]", &["presence_grpc.urls"]).await;
    chat.refuses("PRESENCE_GRPC__URLS", "nonsense", &["presence_grpc.urls"]).await;
    presence.refuses("CHAT_GRPC__URLS", "nonsense", &["chat_grpc.urls"]).await;
    gateway.refuses("GATEWAY_ID", "a b", &["gateway_id"]).await;
}
