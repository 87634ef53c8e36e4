//! Odd values for every parameter and every field of REST, on SQLite and on Postgres: each is taken or refused
//! as the client's own mistake, and nobody else's request suffers from it.

use std::process::Stdio;

use e2e::all_in_one::serve;
use e2e::cluster::Cluster;
use e2e::process::command;
use e2e::token::token_with;
use reqwest::{Client, Method};
use serde_json::{Value, json};

/// As they stand in an address.
const IN_ADDRESSES: [&str; 19] = [
    "",
    "%00",
    "a%00b",
    "%ED%A0%80",
    "%ff",
    ".",
    "..",
    "%2e%2e",
    "%2f",
    "a%2fb",
    "-1",
    "0",
    "1e3",
    "9223372036854775808",
    "18446744073709551616",
    "%D9%A1%D9%A2",
    "%25",
    "'%22%3b--",
    "%F0%9F%98%80",
];

/// As they stand in JSON.
fn in_bodies() -> Vec<String> {
    let long = format!("\"{}\"", "x".repeat(10_000));
    let odd = [
        "null",
        "true",
        "-1",
        "1e400",
        "18446744073709551616",
        "9223372036854775808",
        "\"\"",
        "\"\\u0000\"",
        "\"a\\u0000b\"",
        "\"\\ud800\"",
        "\"..\"",
        "\"1\"",
        "[]",
        "[[]]",
        "{}",
        "[\"\\u0000\"]",
        "{\"text\":\"\\u0000\"}",
        "{\"text\":\"\\ud800\"}",
        "\"\u{1F600}\u{202e}\"",
    ];
    odd.iter().map(ToString::to_string).chain([long]).collect()
}

struct Asked {
    http: Client,
    base: String,
    token: String,
    count: usize,
    wrong: Vec<String>,
}

impl Asked {
    async fn ask(&mut self, method: &Method, path: &str, body: Option<String>) {
        let url = format!("{}{path}", self.base);
        let Ok(url) = reqwest::Url::parse(&url) else { return };
        let mut request = self.http.request(method.clone(), url).bearer_auth(&self.token);
        if let Some(body) = &body {
            request = request.header("content-type", "application/json").body(body.clone());
        }
        let answer = request.send().await.expect("an answer");
        let (status, text) = (answer.status(), answer.text().await.unwrap_or_default());
        self.count += 1;
        let is_refusal = status.is_client_error()
            && serde_json::from_str::<Value>(&text).is_ok_and(|body| body["code"].is_string());
        if !status.is_success() && !is_refusal {
            let body: String = body.unwrap_or_default().chars().take(80).collect();
            self.wrong.push(format!("{method} {path} {body}: {status} {text}"));
        }
    }

    /// One odd value at a time, everything else as it has to be.
    async fn all(&mut self, openapi: &Value, conversation: &str) {
        for (path, item) in openapi["paths"].as_object().expect("paths") {
            for (method, operation) in item.as_object().expect("operations") {
                // It would end the token of all further requests.
                if operation["operationId"] == "end_own" {
                    continue;
                }
                let method: Method = method.to_uppercase().parse().expect("a method");
                let plain = path
                    .replace("conversations/{id}", &format!("conversations/{conversation}"))
                    .replace("{user}", "ann")
                    .replace(['{', '}'], "");
                let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
                for parameter in &parameters {
                    let name = parameter["name"].as_str().expect("a name");
                    let more = also_wanted(&parameters, name);
                    for value in IN_ADDRESSES {
                        let odd = match parameter["in"].as_str() {
                            Some("query") => format!("{plain}?{more}{name}={value}"),
                            _ => path
                                .replace(&format!("{{{name}}}"), value)
                                .replace("{id}", conversation)
                                .replace("{user}", "ann"),
                        };
                        self.ask(&method, &odd, Some("{}".to_owned())).await;
                    }
                }
                self.bodies(openapi, operation, &method, &plain).await;
            }
        }
    }

    async fn bodies(&mut self, openapi: &Value, operation: &Value, method: &Method, path: &str) {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"];
        let Some(name) = schema.as_str().and_then(|name| name.rsplit('/').next()) else { return };
        let fields = openapi["components"]["schemas"][name]["properties"].as_object();
        for field in fields.expect("fields").keys() {
            for odd in in_bodies() {
                let mut usual = json!({"kind": "group", "title": "t", "members": ["bob"], "role": "member",
                    "content": {"text": "x"}, "user": "ann", "ids": ["ann"]});
                let known = fields.expect("fields");
                usual
                    .as_object_mut()
                    .expect("a map")
                    .retain(|name, _| known.contains_key(name) && name != field);
                if name == "NewMessage" {
                    usual.as_object_mut().expect("a map").remove("kind");
                }
                let usual = usual.to_string();
                let rest = usual.trim_start_matches('{').trim_end_matches('}');
                let comma = if rest.is_empty() { "" } else { "," };
                let body = format!("{{{rest}{comma}\"{field}\":{odd}}}");
                self.ask(method, path, Some(body)).await;
            }
        }
        self.ask(method, path, Some("{\"unknown_field\":1}".to_owned())).await;
    }
}

/// Numbers of pages and what each is answered with, wherever the description has a page.
const NUMBERS: [(&str, &str, u16); 16] = [
    ("limit", "1", 200),
    ("limit", "1000000", 200),
    ("limit", "2147483647", 200),
    ("limit", "2147483648", 200),
    ("limit", "99999999999999999999999999", 200),
    ("limit", "0", 400),
    ("limit", "-1", 400),
    ("limit", "1.5", 400),
    ("limit", "", 400),
    ("before_seq", "9223372036854775807", 200),
    ("before_seq", "9223372036854775808", 400),
    ("before_seq", "-1", 400),
    ("after_seq", "0", 200),
    ("after_seq", "9223372036854775807", 200),
    ("after_seq", "9223372036854775808", 400),
    ("after_seq", "18446744073709551616", 400),
];

/// Usual values of the other parameters that a query cannot do without; of users, ids or a prefix.
fn also_wanted(parameters: &[Value], except: &str) -> String {
    let is_wanted = |it: &&Value| it["required"] == true || it["name"] == "prefix";
    let wanted = parameters.iter().filter(|it| it["in"] == "query").filter(is_wanted);
    let mut more = String::new();
    for parameter in wanted.filter(|it| it["name"] != except) {
        let usual = if parameter["schema"]["type"] == "integer" { "1" } else { "a" };
        more.push_str(parameter["name"].as_str().unwrap_or_default());
        more.push('=');
        more.push_str(usual);
        more.push('&');
    }
    more
}

impl Asked {
    /// Each number of a page is taken or refused as its schema says.
    async fn pages(&self, openapi: &Value, conversation: &str) {
        let mut walked = Vec::new();
        for (path, item) in openapi["paths"].as_object().expect("paths") {
            let parameters = item["get"]["parameters"].as_array().cloned().unwrap_or_default();
            for (name, number, status) in NUMBERS {
                let parameter = parameters.iter().find(|it| it["name"] == name);
                let Some(schema) = parameter.map(|it| &it["schema"]) else { continue };
                let is_in = number.parse::<u128>().is_ok_and(|number| {
                    let bound = |key: &str| schema[key].as_u64().map(u128::from);
                    number >= bound("minimum").unwrap_or(0)
                        && number <= bound("maximum").unwrap_or(u128::MAX)
                });
                assert_eq!(is_in, status == 200, "{path} {name}={number}: {schema}");
                assert!(name != "limit" || schema.get("format").is_none(), "{path}: {schema}");
                let place = path.replace("{id}", conversation).replace("{seq}", "2");
                // The id of a conversation is none of a notice or a webhook, and no follower has such a name.
                let is_there = !path.contains("/admin/") || !path.contains('{');
                let status = if status == 200 && !is_there { 404 } else { status };
                let more = also_wanted(&parameters, name);
                let url = format!("{}{place}?{more}{name}={number}", self.base);
                let answer = self.http.get(url).bearer_auth(&self.token).send().await;
                assert_eq!(answer.expect("an answer").status(), status, "{path} {name}={number}");
                walked.push((path, name));
            }
        }
        walked.dedup();
        assert_eq!(walked.len(), 20, "{walked:?}");
    }
}

async fn nothing_odd_is_an_outage(address: &str, token: String) {
    let base = format!("http://{address}");
    let http = Client::new();
    let committed =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json"));
    let openapi: Value = serde_json::from_str(&committed.expect("the description")).expect("JSON");
    let made = http.post(format!("{base}/api/v1/conversations")).bearer_auth(&token);
    let made = made.json(&json!({"kind": "group", "title": "t", "members": ["bob"]}));
    let made: Value = made.send().await.expect("an answer").json().await.expect("JSON");
    let conversation = made["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    // The message at seq 2.
    let said = http.post(format!("{base}/api/v1/conversations/{conversation}/messages"));
    let said = said.bearer_auth(&token).json(&json!({"content": {"text": "x"}}));
    assert!(said.send().await.expect("an answer").status().is_success());
    let mut asked = Asked { http, base, token, count: 0, wrong: Vec::new() };
    asked.pages(&openapi, &conversation).await;
    asked.all(&openapi, &conversation).await;
    assert!(
        asked.wrong.is_empty(),
        "{} of {}:\n{}",
        asked.wrong.len(),
        asked.count,
        asked.wrong.join("\n")
    );
    assert!(asked.count > 1_000, "{} requests only", asked.count);
    let list = asked.http.get(format!("{}/api/v1/users?prefix=a", asked.base));
    let list = list.bearer_auth(&asked.token).send().await.expect("an answer");
    assert_eq!(list.status(), 200, "nobody else suffers");
}

#[tokio::test]
async fn no_value_of_any_parameter_is_an_outage_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve("odd-sqlite", folder.path()).await;
    let data = folder.path().to_str().unwrap();
    let arguments = ["token", "--user", "operator", "--role", "admin", "--data", data];
    let printed =
        command("tidings", &arguments, &[]).stdout(Stdio::piped()).output().await.unwrap();
    let token = String::from_utf8(printed.stdout).unwrap().trim().to_owned();
    nothing_odd_is_an_outage(server.address("http"), token).await;
}

#[tokio::test]
async fn no_value_of_any_parameter_is_an_outage_on_postgres() {
    let own = [("TIDINGS_GATEWAY__ADMISSION__EXEMPT_NETWORKS", r#"["127.0.0.0/8"]"#)];
    let cluster = Cluster::start_with("odd-postgres", &own).await;
    let token = token_with("operator", 3600, &json!({ "roles": ["admin"] }));
    nothing_odd_is_an_outage(cluster.gateway_address(0), token).await;
    cluster.stop().await;
}
