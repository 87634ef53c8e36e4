//! An install of several tenants, as a cluster or as the all-in-one: `acme` and `beta` beside `default`.

use std::path::PathBuf;

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};

use crate::all_in_one::serve_with;
use crate::client::Client;
use crate::cluster::Cluster;
use crate::process::Process;
use crate::second_tenant;
use crate::token::{SECRET, secret_of, token_by};

/// All tenants of such an install; the first is that of the section `auth`.
pub const TENANTS: [&str; 3] = ["default", "acme", "beta"];

/// A token of a tenant's user, with further claims.
pub fn token_of(tenant: &str, user: &str, claims: &Value) -> String {
    token_by(&secret_of(tenant), user, 3600, claims)
}

/// A token of a tenant's operator.
pub fn operator_of(tenant: &str) -> String {
    token_of(tenant, "operator", &json!({ "roles": ["admin"] }))
}

/// The list of tenants as the environment holds it; `further` are settings by tenant.
pub fn list(further: &[(&str, Value)]) -> String {
    let tenants = TENANTS.iter().filter(|tenant| **tenant != "default").map(|tenant| {
        let mut table = json!({ "id": tenant, "hs256_secret": secret_of(tenant) });
        for (_, more) in further.iter().filter(|(of, _)| of == tenant) {
            let (Some(table), Some(more)) = (table.as_object_mut(), more.as_object()) else {
                continue;
            };
            table.extend(more.clone());
        }
        table
    });
    let second = second_tenant::is_on().then(second_tenant::table);
    tenants.chain(second).collect::<Value>().to_string()
}

/// A running install.
#[derive(Debug)]
pub enum Install {
    /// Five processes.
    Cluster(Box<Cluster>),
    /// One process and its data folder.
    AllInOne(Box<Process>, tempfile::TempDir),
}

impl Install {
    /// Two gateways on real backends.
    pub async fn cluster(label: &str, further: &[(&str, Value)]) -> Self {
        let list = list(further);
        let settings = [("TIDINGS_GATEWAY__TENANTS", list.as_str())];
        Self::Cluster(Box::new(Cluster::start_with(label, &settings).await))
    }

    /// One process on SQLite.
    pub async fn all_in_one(label: &str, further: &[(&str, Value)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let list = list(further);
        let settings =
            [("TIDINGS__TENANTS", list.as_str()), ("TIDINGS__AUTH__HS256_SECRET", SECRET)];
        let process = serve_with(label, folder.path(), "127.0.0.1:0", &settings).await;
        Self::AllInOne(Box::new(process), folder)
    }

    /// Where clients connect: the n-th of them to the n-th gateway, round and round.
    pub fn address(&self, n: usize) -> &str {
        match self {
            Self::Cluster(cluster) => cluster.gateway_address(n % 2),
            Self::AllInOne(process, _) => process.address("http"),
        }
    }

    /// Has the database refuse every entry that holds this word: its frame is put aside.
    pub async fn poison(&self, word: &str) {
        match self {
            Self::Cluster(cluster) => {
                let mut database =
                    PgConnection::connect(&cluster.names.database_url()).await.expect("Postgres");
                let function = format!(
                    "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $body$
                     BEGIN IF NEW.content LIKE '%{word}%' THEN RAISE EXCEPTION 'poison'; END IF;
                     RETURN NEW; END $body$"
                );
                database.execute(sqlx::AssertSqlSafe(function)).await.expect("a function");
                let trigger = "CREATE TRIGGER poison BEFORE INSERT ON entries
                               FOR EACH ROW EXECUTE FUNCTION poison()";
                database.execute(trigger).await.expect("a trigger");
            }
            Self::AllInOne(_, folder) => {
                let file: PathBuf = folder.path().join("tidings.db");
                let options = SqliteConnectOptions::new().filename(file);
                let mut database =
                    SqliteConnection::connect_with(&options).await.expect("the file opens");
                let trigger = format!(
                    "CREATE TRIGGER poison BEFORE INSERT ON entries WHEN NEW.content LIKE '%{word}%'
                     BEGIN SELECT RAISE(ABORT, 'poison'); END"
                );
                database.execute(sqlx::AssertSqlSafe(trigger)).await.expect("a trigger");
            }
        }
    }

    /// Stops it and removes what it made.
    pub async fn stop(self) {
        if let Self::Cluster(cluster) = self {
            cluster.stop().await;
        }
    }
}

/// A tenant's side of an install.
#[derive(Debug)]
pub struct Side<'a> {
    /// Which.
    pub tenant: &'static str,
    /// The install.
    pub install: &'a Install,
    /// For what it has no words.
    pub http: reqwest::Client,
}

impl<'a> Side<'a> {
    /// Of an install.
    pub fn of(tenant: &'static str, install: &'a Install) -> Self {
        Self { tenant, install, http: reqwest::Client::new() }
    }

    /// A device of a user; the same name of a device in every tenant.
    pub async fn connect(&self, user: &str, device: &str, gateway: usize) -> Client {
        let token =
            token_of(self.tenant, user, &json!({ "name": format!("{user} of {}", self.tenant) }));
        let path = format!("/ws?token={token}&device={device}");
        let mut client = Client::open(self.install.address(gateway), &path).await;
        let welcome = client.expect("welcome").await;
        assert_eq!(welcome["user_id"], user, "no tenant in a name");
        client
    }

    /// Asks for something below `/api/v1`; a body that is null is none. The status and the JSON of the answer.
    pub async fn ask(&self, token: &str, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let url = format!("http://{}/api/v1{path}", self.install.address(0));
        let mut request = self.http.request(method, url).bearer_auth(token);
        if !body.is_null() {
            request = request.json(body);
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        (
            status,
            serde_json::from_slice(&answer.bytes().await.expect("an answer")).unwrap_or_default(),
        )
    }

    /// The same of what a user may see.
    pub async fn get(&self, user: &str, path: &str) -> Value {
        let token = token_of(self.tenant, user, &json!({}));
        let (status, body) = self.ask(&token, Method::GET, path, &Value::Null).await;
        assert_eq!(status, 200, "{}: {path}: {body}", self.tenant);
        body
    }

    /// A token of its operator.
    pub fn operator(&self) -> String {
        operator_of(self.tenant)
    }
}
