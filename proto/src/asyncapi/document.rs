//! The AsyncAPI document around the schemas: addresses, queries, operations, and the channels of the broker.

use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::examples::examples;
use super::frames::{self, CLIENT, FrameType, SERVER};
use super::schema::reference;
use crate::close_code::CloseCode;
use crate::error_code::ErrorCode;

const DESCRIPTION: &str = "The frames between clients and a Tidings server, over WebSocket and over server-sent events. \
    docs/protocol.md has the rules: cursors, idempotency, acknowledgements, limits. docs/openapi.json has the REST API. \
    Receivers ignore fields and frame types that they do not know.";

/// The whole document.
pub(super) fn document() -> Value {
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tidings",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": { "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0" },
        },
        "defaultContentType": "application/json",
        "servers": servers(),
        "channels": channels(),
        "operations": operations(),
        "components": {
            "schemas": schemas(),
            "messages": messages(),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A signed token in the header `Authorization`.",
                },
                "query": {
                    "type": "httpApiKey",
                    "in": "query",
                    "name": "token",
                    "description": "The same token in the query, for programs that cannot set headers.",
                },
            },
        },
    })
}

fn servers() -> Value {
    let security = json!([
        { "$ref": "#/components/securitySchemes/bearer" },
        { "$ref": "#/components/securitySchemes/query" },
    ]);
    json!({
        "websocket": {
            "host": "chat.example.org",
            "protocol": "wss",
            "description": "Subprotocols: `tidings.v1` (JSON text, also without a subprotocol) and `tidings.v1.msgpack` \
                            (the same frames as MessagePack in binary messages).",
            "security": security,
        },
        "events": {
            "host": "chat.example.org",
            "protocol": "https",
            "description": "Server-sent events, for networks that do not let WebSockets through.",
            "security": security,
        },
        "broker": {
            "host": "rabbitmq.internal:5672",
            "protocol": "amqp",
            "description": "Informative: the message bus between the services of one installation. Not for clients.",
        },
    })
}

fn schemas_of_close() -> [(&'static str, Value); 2] {
    let codes = close_codes();
    let meaning = |code: &Value| {
        format!("\n- `{}`: {}", code["code"], code["meaning"].as_str().unwrap_or_default())
    };
    let list: String = codes.iter().map(meaning).collect();
    let code = json!({
        "description": format!("Why the server has ended a connection.\n{list}"),
        "type": "integer",
        "enum": codes.iter().map(|code| code["code"].clone()).collect::<Vec<_>>(),
    });
    let event = json!({
        "description": "The last event of an event stream, with the SSE event name `close`: what the close frame of a \
                        WebSocket says.",
        "type": "object",
        "required": ["code", "reason"],
        "properties": {
            "code": reference("CloseCode"),
            "reason": { "type": "string", "description": "For people; it may begin with a word for programs." },
        },
    });
    [("CloseCode", code), ("CloseEvent", event)]
}

/// The codes with their names and comments.
fn close_codes() -> Vec<Value> {
    let schema = CloseCode::json_schema(&mut super::schema::of_server()).to_value();
    let variants = schema["oneOf"].as_array().expect("each code has a comment").clone();
    assert_eq!(variants.len(), CloseCode::ALL.len());
    let code = |(variant, code): (Value, CloseCode)| {
        let name = format!("{code:?}");
        assert_eq!(variant["const"], name, "`ALL` is in the order of the declaration");
        let meaning = variant["description"].as_str().unwrap_or_default().replace('\n', " ");
        json!({ "code": code.as_u16(), "name": name, "meaning": meaning })
    };
    variants.into_iter().zip(CloseCode::ALL).map(code).collect()
}

/// The codes with the HTTP status that each has over REST.
fn error_codes() -> Vec<Value> {
    let code = |code: ErrorCode| json!({ "code": code.as_str(), "status": code.http_status() });
    ErrorCode::ALL.map(code).to_vec()
}

fn schemas() -> Map<String, Value> {
    let mut all = frames::schemas();
    all.extend(schemas_of_close().map(|(name, schema)| (name.to_owned(), schema)));
    all
}

fn messages() -> Map<String, Value> {
    let examples = examples();
    let of_frame = |frame: &FrameType| {
        let message = json!({
            "name": frame.name,
            "title": frame.tag,
            "payload": reference(frame.name),
            "examples": examples.get(frame.name),
        });
        (frame.name.to_owned(), message)
    };
    let close = json!({
        "name": "CloseEvent",
        "title": "close",
        "payload": reference("CloseEvent"),
        "examples": [{
            "name": "slow",
            "summary": "The client reads too slowly.",
            "payload": { "code": 4009, "reason": "reading too slowly; reconnect and sync" },
        }],
    });
    let mut all: Map<String, Value> = CLIENT.iter().chain(&SERVER).map(of_frame).collect();
    all.insert("CloseEvent".to_owned(), close);
    for (name, description) in BUS_MESSAGES {
        let message = json!({
            "name": name,
            "description": description,
            "contentType": "application/x-protobuf",
            "payload": { "description": "A message of proto/protos/tidings/bus/v1/bus.proto." },
        });
        all.insert(name.to_owned(), message);
    }
    all.extend(super::events::messages().map(|(name, message)| (name.to_owned(), message)));
    all
}

const BUS_MESSAGES: [(&str, &str); 3] = [
    (
        "FrameBatch",
        "`tidings.bus.v1.FrameBatch`: client frames of one partition, from one gateway.",
    ),
    (
        "PushBatch",
        "`tidings.bus.v1.PushBatch`: answers, entries and events for the connections of one gateway.",
    ),
    ("Broadcast", "`tidings.bus.v1.Broadcast`: a notice for all connections of all gateways."),
];

fn refer_to(names: impl IntoIterator<Item = &'static str>) -> Map<String, Value> {
    let reference = |name: &str| json!({ "$ref": format!("#/components/messages/{name}") });
    names.into_iter().map(|name| (name.to_owned(), reference(name))).collect()
}

fn channels() -> Value {
    let client = || CLIENT.iter().map(|frame| frame.name);
    let server = || SERVER.iter().map(|frame| frame.name);
    let mut all = json!({
        "socket": {
            "address": "/ws",
            "description": "A connection by WebSocket: one frame a message, both ways. `/ws/{conversation_id}` is the same \
                            for members of that conversation, and begins with the tail of its log.",
            "servers": [{ "$ref": "#/servers/websocket" }],
            "messages": refer_to(client().chain(server())),
            "bindings": { "ws": { "method": "GET", "query": query(), "bindingVersion": "0.1.0" } },
            "x-close-codes": close_codes(),
            "x-error-codes": error_codes(),
        },
        "events": {
            "address": "/sse",
            "description": "The same connection as server-sent events: each frame is the `data` of an event without a name. \
                            The last event has the name `close`.",
            "servers": [{ "$ref": "#/servers/events" }],
            "messages": refer_to(server().chain(["CloseEvent"])),
        },
        "posts": {
            "address": "/sse/{connection_id}",
            "description": "The way up of an event stream: the body of a POST is one frame or an array of frames. 202 means \
                            that the server has taken them, in their order.",
            "servers": [{ "$ref": "#/servers/events" }],
            "parameters": { "connection_id": { "description": "The `connection_id` of `welcome`." } },
            "messages": refer_to(client()),
        },
    });
    for (name, address, message, description) in BUS_CHANNELS {
        all[name] = json!({
            "address": address,
            "description": description,
            "servers": [{ "$ref": "#/servers/broker" }],
            "messages": refer_to([message]),
        });
    }
    all["integration"] = super::events::channel();
    all
}

const BUS_CHANNELS: [(&str, &str, &str, &str); 4] = [
    (
        "busChat",
        "tidings.chat.{partition}",
        "FrameBatch",
        "Frames about conversations, by the partition of the conversation. One active consumer each: a chat service.",
    ),
    (
        "busPresence",
        "tidings.presence.{partition}",
        "FrameBatch",
        "Frames about a user's own status, by the partition of the user. One active consumer each: a presence service.",
    ),
    (
        "busGateway",
        "tidings.gateway.{gateway}.{epoch}",
        "PushBatch",
        "The queue of one running gateway. It ends with the connection of the gateway.",
    ),
    (
        "busBroadcast",
        "tidings.bulk.{gateway}.{epoch}",
        "Broadcast",
        "The second queue of a running gateway, for broadcasts. A full one drops its oldest.",
    ),
];

/// What a client may set in the query of its request.
fn query() -> Value {
    let word = |words: &[&str], text: &str| json!({ "type": "string", "enum": words, "description": text });
    let number = |least: u32, text: &str| json!({ "type": "integer", "minimum": least, "maximum": 100, "description": text });
    json!({
        "type": "object",
        "properties": {
            "token": { "type": "string", "description": "A token, where neither a header nor a first frame `auth` has it." },
            "device": { "type": "string", "description": "The id of the device. One connection each; by default a new id." },
            "device_type": word(&["web", "ios", "android", "desktop", "bot"], "The type of the device."),
            "acks": word(&["off"], "This device acknowledges nothing, and is not closed for that."),
            "batch": number(1, "At most so many frames in one `batch`."),
            "batch_ms": number(0, "How long a frame may wait for others of its batch, in milliseconds."),
            "network": word(&["good", "fair", "poor", "auto"], "The quality of the network, or `auto`: the server measures it."),
            "redirect": word(&["on"], "This client follows `redirect` with a `server`."),
            "heads": word(&["2"], "`pong` has `heads2` as well."),
            "notices": word(&["1"], "The client keeps the log of notices: it gets their entries, and `welcome` and `pong` have `notices`. Others get notices as they get broadcasts, in a frame `notice`, while they are connected."),
        },
    })
}

fn operations() -> Map<String, Value> {
    let in_channel = |channel: &str, name: &str| json!({ "$ref": format!("#/channels/{channel}/messages/{name}") });
    let channel = |name: &str| json!({ "$ref": format!("#/channels/{name}") });
    let of_frame = |frame: &FrameType| {
        let mut operation = json!({
            "action": "receive",
            "title": frame.tag,
            "channel": channel("socket"),
            "messages": [in_channel("socket", frame.name)],
        });
        if !frame.answers.is_empty() {
            let answers: Vec<_> =
                frame.answers.iter().map(|name| in_channel("socket", name)).collect();
            operation["reply"] = json!({ "channel": channel("socket"), "messages": answers });
        }
        (format!("receive{}", frame.name), operation)
    };
    let mut all: Map<String, Value> = CLIENT.iter().map(of_frame).collect();
    let frames: Vec<_> = SERVER.iter().map(|frame| in_channel("socket", frame.name)).collect();
    let send = json!({ "action": "send", "channel": channel("socket"), "messages": frames });
    all.insert("sendFrames".to_owned(), send);
    let get = json!({ "http": { "method": "GET", "query": query(), "bindingVersion": "0.3.0" } });
    let events = json!({ "action": "send", "channel": channel("events"), "bindings": get });
    all.insert("sendEvents".to_owned(), events);
    let post = json!({ "http": { "method": "POST", "bindingVersion": "0.3.0" } });
    let posts = json!({ "action": "receive", "channel": channel("posts"), "bindings": post });
    all.insert("receivePosts".to_owned(), posts);
    all
}
