//! One connection: frames in, answers and pushes out, with the fault.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::log::{Log, Logs, Order};
use super::{Fault, State, bearer};

/// Orders a socket may be behind with.
const QUEUE: usize = 100_000;
/// What a client takes that is welcomed by a server that dawdles.
const MOMENT: std::time::Duration = std::time::Duration::from_millis(100);

pub async fn upgrade(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Result<Response, StatusCode> {
    let user = bearer(&headers).ok_or(StatusCode::UNAUTHORIZED)?;
    Ok(upgrade.on_upgrade(move |socket| serve(socket, state, user)))
}

async fn serve(mut socket: WebSocket, state: Arc<State>, user: String) {
    if state.fault == Fault::Dawdle {
        let _turn = state.door.lock().await;
        tokio::time::sleep(MOMENT).await;
    }
    let (orders, mut queue) = mpsc::channel(QUEUE);
    state.logs().sockets.insert(user.clone(), orders.clone());
    let welcome = json!({ "type": "welcome", "connection_id": Uuid::now_v7(), "user_id": user,
        "heartbeat_ms": 30_000, "limits": { "frame_bytes": 65_536, "in_flight": 16 } });
    if socket.send(Message::text(welcome.to_string())).await.is_err() {
        return;
    }
    loop {
        tokio::select! {
            order = queue.recv() => match order {
                Some(Order::Say(text)) => {
                    if socket.send(Message::text(text)).await.is_err() {
                        break;
                    }
                }
                Some(Order::Cut) | None => break,
            },
            heard = socket.recv() => match heard {
                Some(Ok(Message::Text(text))) => {
                    let frame: Value = serde_json::from_str(&text).expect("the fleet writes JSON");
                    hear(&state, &user, &frame, &orders);
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                Some(Ok(_)) => {}
            },
        }
    }
    let mut logs = state.logs();
    if logs.sockets.get(&user).is_some_and(|current| current.same_channel(&orders)) {
        logs.sockets.remove(&user);
    }
}

fn hear(state: &State, user: &str, frame: &Value, orders: &mpsc::Sender<Order>) {
    match frame["type"].as_str() {
        Some("sync") => sync(state, user, frame),
        Some("send" | "react") => send(state, user, frame, orders),
        Some("delivered") => {}
        other => panic!("the fleet says {other:?}"),
    }
}

fn sync(state: &State, user: &str, frame: &Value) {
    let logs = state.logs();
    for (id, log) in logs.by_id.iter().filter(|(_, log)| log.members.iter().any(|m| m == user)) {
        let after = frame["cursors"][id].as_u64().unwrap_or(0);
        let missing: Vec<&Value> = log
            .entries
            .range(after + 1..)
            .map(|(_, entry)| entry)
            .filter(|entry| state.fault != Fault::Lose || entry["lost"].is_null())
            .collect();
        let page = json!({ "type": "sync_page", "conversation_id": id, "entries": missing,
            "head": log.last_seq, "more": false, "reset": false });
        logs.say(user, &page);
    }
    logs.say(user, &json!({ "type": "synced", "epoch": "one", "conversations": 1 }));
}

fn send(state: &State, user: &str, frame: &Value, orders: &mpsc::Sender<Order>) {
    let number = state.next_send();
    let client_id = frame["client_id"].as_str().expect("a send has a client id").to_owned();
    let mut logs = state.logs();
    let id = match frame["to"].as_str() {
        Some(other) => logs.direct(user, other),
        None => frame["conversation_id"].as_str().expect("a send goes somewhere").to_owned(),
    };
    let refusal = json!({ "type": "error", "ref": frame["ref"], "client_id": client_id,
        "code": "unavailable", "message": "later", "retry_after_ms": 20,
        "stored": if state.fault == Fault::Doubt { "unknown" } else { "no" } });
    if state.is_hit(Fault::Refuse, number, 10) {
        logs.say(user, &refusal);
        return;
    }
    let log = logs.by_id.get_mut(&id).expect("the fleet sends to conversations that exist");
    let key = (user.to_owned(), client_id.clone());
    if let Some(answer) = log.answers.get(&key).cloned() {
        logs.say(user, &answer);
        return;
    }
    let entry = append(state, log, &id, user, frame, number);
    let answer = json!({ "type": "sent", "ref": frame["ref"], "client_id": client_id,
        "conversation_id": id, "id": entry["id"], "seq": entry["seq"], "timestamp": 1 });
    log.answers.insert(key, answer.clone());
    if state.is_hit(Fault::Cut, number, 50) {
        // Pushed, but not answered.
        let _ = orders.try_send(Order::Cut);
    } else if state.is_hit(Fault::Doubt, number, 10) {
        logs.say(user, &refusal);
    } else if state.fault != Fault::Silence {
        logs.say(user, &answer);
    }
    push(state, &mut logs, user, &id, &entry, number);
}

/// Stores an entry, and whatever else the fault stores.
fn append(state: &State, log: &mut Log, id: &str, user: &str, frame: &Value, number: u64) -> Value {
    if state.is_hit(Fault::SkipPlace, number, 10) {
        log.last_seq += 1;
    }
    let mut entry = log.append(id, user, frame);
    if state.is_hit(Fault::StoreTwice, number, 10) {
        log.append(id, user, frame);
    }
    if state.is_hit(Fault::Lose, number, 10) {
        entry["lost"] = true.into();
        log.entries.insert(log.last_seq, entry.clone());
    }
    if state.is_hit(Fault::Invent, number, 10) {
        let invented = json!({ "client_id": Uuid::now_v7(), "content": { "text": "boo" } });
        log.append(id, user, &invented);
    }
    entry
}

/// Pushes what was stored to the other members, with the fault.
fn push(state: &State, logs: &mut Logs, user: &str, id: &str, entry: &Value, number: u64) {
    let log = &logs.by_id[id];
    let first = entry["seq"].as_u64().expect("a place");
    let stored: Vec<Value> = log.entries.range(first..).map(|(_, entry)| entry.clone()).collect();
    let mut hearers: Vec<String> =
        log.members.iter().filter(|member| *member != user).cloned().collect();
    if state.is_hit(Fault::Leak, number, 10) {
        let stranger = logs.sockets.keys().find(|name| !log.members.contains(name));
        hearers.extend(stranger.cloned());
    }
    let is_lost =
        state.is_hit(Fault::Lose, number, 10) || state.is_hit(Fault::LosePush, number, 10);
    let held_back = std::mem::take(&mut logs.held_back);
    for (at, entry) in stored.iter().enumerate() {
        let mut frame = entry.clone();
        frame["type"] = "entry".into();
        if state.is_hit(Fault::ChangeId, number, 10) {
            frame["id"] = Uuid::now_v7().to_string().into();
        }
        if state.is_hit(Fault::ChangeText, number, 10) {
            let text = frame["content"]["text"].as_str().expect("a text").replace("fox", "cat");
            frame["content"]["text"] = text.into();
        }
        for hearer in &hearers {
            if is_lost {
                continue;
            }
            if at == 0 && state.is_hit(Fault::Reorder, number, 10) {
                logs.held_back.push((hearer.clone(), frame.to_string()));
                continue;
            }
            logs.say(hearer, &frame);
            if state.is_hit(Fault::RepeatPush, number, 10) {
                logs.say(hearer, &frame);
            }
        }
        // What the sender did not ask for it hears of as well: its other devices would.
        if at > 0 {
            logs.say(user, &frame);
        }
    }
    for (hearer, text) in held_back {
        let frame: Value = serde_json::from_str(&text).expect("what was held back is JSON");
        logs.say(&hearer, &frame);
    }
}
