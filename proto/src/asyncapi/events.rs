//! The events for integrators: `CloudEvents` on a topic exchange and as webhooks. docs/events.md has the rules.

use serde_json::{Value, json};

/// The channel on the broker.
pub(super) fn channel() -> Value {
    json!({
        "address": "{tenant}.{type}",
        "description": "CloudEvents on the topic exchange `tidings.events`, for queues that integrators bind to it. At \
                        least once, those of a conversation in the order of its log; moments may be lost. Webhooks get the \
                        same events. docs/events.md lists the types.",
        "servers": [{ "$ref": "#/servers/broker" }],
        "parameters": {
            "tenant": { "description": "The tenant; `default` where there are no others." },
            "type": { "description": "The type of the event, such as `chat.message.received`." },
        },
        "messages": {
            "CloudEvent": { "$ref": "#/components/messages/CloudEvent" },
            "CloudEvents": { "$ref": "#/components/messages/CloudEvents" },
        },
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": { "name": "tidings.events", "type": "topic", "durable": true, "autoDelete": false },
                "bindingVersion": "0.3.0",
            },
        },
    })
}

/// The two forms of a message.
pub(super) fn messages() -> [(&'static str, Value); 2] {
    let one = json!({
        "name": "CloudEvent",
        "title": "one event",
        "contentType": "application/cloudevents+json",
        "headers": {
            "type": "object",
            "description": "The attributes once more, each as `cloudEvents:` with its name.",
            "additionalProperties": { "type": "string" },
        },
        "payload": schema(),
    });
    let several = json!({
        "name": "CloudEvents",
        "title": "several events of one routing key",
        "contentType": "application/cloudevents-batch+json",
        "payload": {
            "type": "array",
            "items": { "$ref": "#/components/messages/CloudEvent/payload" },
            "description": "Up to `events.batch_events` (200) or `events.batch_bytes` (256 KiB).",
        },
    });
    [("CloudEvent", one), ("CloudEvents", several)]
}

/// What an event is.
fn schema() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    json!({
        "description": "A CloudEvent 1.0 in JSON. Receivers ignore attributes that they do not know.",
        "type": "object",
        "required": ["specversion", "id", "type", "source", "time", "tenant", "tidingsclass", "data"],
        "properties": {
            "specversion": { "type": "string", "const": "1.0" },
            "id": text("Of an event from the log that of its entry: the same when it comes again."),
            "type": text("What has happened."),
            "source": text("`/tenants/{tenant}/conversations/{id}`; of a moment `/tenants/{tenant}`."),
            "subject": text("The sequence, as a number."),
            "time": text("When, as RFC 3339 in UTC."),
            "datacontenttype": { "type": "string", "const": "application/json" },
            "partitionkey": text("The conversation."),
            "sequence": text("The place in the log of the conversation, from 1 without a gap, with leading zeros."),
            "tenant": text("The tenant; `default` where there are no others."),
            "tidingsclass": {
                "type": "string",
                "enum": ["log", "moment"],
                "description": "`log`: stored, at least once, in order. `moment`: told once, and may be lost.",
            },
            "data": {
                "type": "object",
                "properties": {
                    "entry": { "$ref": "#/components/schemas/Entry" },
                    "conversation": {
                        "type": "object",
                        "properties": {
                            "id": text("The conversation."),
                            "kind": { "type": "string", "enum": ["direct", "group", "channel", "notices"] },
                        },
                    },
                    "thin": { "type": "boolean", "description": "The entry was left out." },
                },
            },
        },
    })
}
