//! REST: pages without holes, idempotency, and strict bodies.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::ServerRule;
use crate::checked::{Checked, check};
use crate::rule::rule;
use crate::server::scope::{Scope, number, text};
use crate::server::socket::To;

pub(super) const RULES: &[ServerRule] = &[
    rule!(
        "rest.history",
        "rest",
        history,
        "History by `before_seq` and by `after_seq` gives every entry once, whatever the size of a page."
    ),
    rule!(
        "rest.conversations",
        "rest",
        conversations,
        "The pages of the list of conversations name each one once."
    ),
    rule!("rest.members", "rest", members, "The pages of the list of members name each one once."),
    rule!(
        "rest.idempotency-key",
        "rest",
        idempotency_key,
        "`Idempotency-Key` is the `client_id` of a request that has none in its body."
    ),
    rule!(
        "rest.unknown-fields",
        "rest",
        unknown_fields,
        "Unknown fields of a body are refused with `invalid`."
    ),
    rule!(
        "rest.limit",
        "rest",
        limit,
        "A `limit` beyond what a list gives at once means as much as it gives; 0 is refused."
    ),
    rule!("rest.description", "rest", description, "The server serves its OpenAPI description."),
];

fn entries(page: &Value) -> Vec<u64> {
    let entries = page["entries"].as_array().into_iter().flatten();
    entries.filter_map(|entry| entry["seq"].as_u64()).collect()
}

async fn history(scope: &Scope) -> Checked {
    const COUNT: u64 = 23;
    let mut ann = scope.connect("ann").await?;
    let mut id = String::new();
    for at in 0..COUNT {
        let sent = ann.send(&To::User(&scope.user("bob")), &format!("number {at}")).await?;
        id = text(&sent, "conversation_id")?;
    }
    let all: Vec<u64> = (1..=COUNT).collect();
    for size in [1, 5, 23, 100] {
        let (mut forward, mut after) = (Vec::new(), 0);
        while after < COUNT {
            let path = format!("/conversations/{id}/messages?after_seq={after}&limit={size}");
            let page = scope.get("bob", &path).await?;
            let seqs = entries(&page);
            check!(number(&page, "head")? == COUNT, "the head is {}", page["head"]);
            let Some(last) = seqs.last().copied() else {
                check!(false, "nothing after {after}: {page}");
                break;
            };
            check!(page["more"] == (last < COUNT), "`more` after {last} is {}", page["more"]);
            after = last;
            forward.extend(seqs);
        }
        check!(forward == all, "by `after_seq` and pages of {size}: {forward:?}");
        let (mut backward, mut before) = (Vec::new(), COUNT + 1);
        while before > 1 {
            let path = format!("/conversations/{id}/messages?before_seq={before}&limit={size}");
            let seqs = entries(&scope.get("bob", &path).await?);
            check!(!seqs.is_empty(), "nothing before {before}");
            before = seqs.iter().copied().min().unwrap_or_default();
            backward.extend(seqs);
        }
        backward.sort_unstable();
        check!(backward == all, "by `before_seq` and pages of {size}: {backward:?}");
    }
    Ok(())
}

/// Every item of a list, page by page: what `name` says of each.
async fn listed(scope: &Scope, path: &str, list: &str, name: &str) -> Checked<Vec<String>> {
    let (mut names, mut after) = (Vec::new(), None::<String>);
    loop {
        let next = after.as_ref().map(|after| format!("&after={after}")).unwrap_or_default();
        let page = scope.get("ann", &format!("{path}?limit=3{next}")).await?;
        let items = page[list].as_array().cloned().unwrap_or_default();
        check!(items.len() <= 3, "{} items with `limit=3`", items.len());
        for item in &items {
            names.push(text(item, name)?);
        }
        check!(names.len() < 1_000, "the pages come to no end");
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => return Ok(names),
        }
    }
}

fn is_each_once(names: &[String], wanted: &BTreeSet<String>) -> Checked {
    let found: BTreeSet<String> = names.iter().cloned().collect();
    check!(found.len() == names.len(), "one is named twice: {names:?}");
    check!(found.is_superset(wanted), "{wanted:?} are wanted, and {found:?} are named");
    Ok(())
}

async fn conversations(scope: &Scope) -> Checked {
    let mut ann = scope.connect("ann").await?;
    let mut wanted = BTreeSet::new();
    for number in 0..8 {
        let sent = ann.send(&To::User(&scope.user(&format!("other{number}"))), "hello").await?;
        wanted.insert(text(&sent, "conversation_id")?);
    }
    is_each_once(&listed(scope, "/conversations", "conversations", "id").await?, &wanted)
}

async fn members(scope: &Scope) -> Checked {
    let others: Vec<String> = (0..7).map(|number| format!("other{number}")).collect();
    let names: Vec<&str> = others.iter().map(String::as_str).collect();
    let group = scope.group("ann", &names).await?;
    let wanted: BTreeSet<String> =
        names.iter().chain(&["ann"]).map(|name| scope.user(name)).collect();
    let path = format!("/conversations/{group}/members");
    let named = listed(scope, &path, "members", "user_id").await?;
    check!(named.len() == wanted.len(), "{} members of {}", named.len(), wanted.len());
    is_each_once(&named, &wanted)
}

async fn idempotency_key(scope: &Scope) -> Checked {
    let key = Uuid::now_v7().to_string();
    let body = json!({ "to": scope.user("bob"), "content": { "text": "once" } });
    let token = scope.token("ann");
    let mut answers = Vec::new();
    for _ in 0..2 {
        let headers = [("Idempotency-Key", key.as_str())];
        let answer =
            scope.ask_with(Some(&token), Method::POST, "/messages", Some(&body), &headers).await?;
        check!(answer.status == 201, "{} {}", answer.status, answer.body);
        answers.push(answer.body);
    }
    check!(answers[0]["client_id"] == key.as_str(), "answered by {}", answers[0]);
    check!(answers[0] == answers[1], "first {}, then {}", answers[0], answers[1]);
    Ok(())
}

async fn unknown_fields(scope: &Scope) -> Checked {
    let body = json!({ "to": scope.user("bob"), "content": { "text": "x" }, "contents": {} });
    let answer = scope.ask("ann", Method::POST, "/messages", Some(&body)).await?;
    check!(
        answer.status == 400 && answer.body["code"] == "invalid",
        "{} {}",
        answer.status,
        answer.body
    );
    Ok(())
}

async fn limit(scope: &Scope) -> Checked {
    let mut ann = scope.connect("ann").await?;
    ann.send(&To::User(&scope.user("bob")), "hello").await?;
    let listed = scope.get("ann", "/conversations?limit=1000000").await?;
    let count = listed["conversations"].as_array().map_or(0, Vec::len);
    check!(count > 0, "an empty list: {listed}");
    let answer = scope.ask("ann", Method::GET, "/conversations?limit=0", None).await?;
    check!(answer.status == 400, "`limit=0`: {} {}", answer.status, answer.body);
    Ok(())
}

async fn description(scope: &Scope) -> Checked {
    let answer = scope.ask_with(None, Method::GET, "/openapi.json", None, &[]).await?;
    check!(answer.status == 200, "{} {}", answer.status, answer.body);
    check!(answer.body["openapi"].is_string(), "no OpenAPI document");
    Ok(())
}
