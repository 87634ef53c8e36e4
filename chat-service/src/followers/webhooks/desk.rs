//! A delivery that an operator asks for, to see whether a receiver takes it.

use std::time::Instant;

use bus::moments::Moment;
use serde_json::json;

use crate::clock::now_ms;
use crate::domain::webhook::Webhook;
use crate::events::EventType;
use crate::webhooks::{Delivery, Refused, Sender};

/// Sends an event of the type `webhook.test`: how long it took, and why it was not taken.
pub async fn send_test(sender: &Sender, webhook: &Webhook) -> (u64, Result<(), Refused>) {
    let moment = Moment {
        r#type: EventType::WebhookTest.as_str(),
        tenant: webhook.key.tenant,
        data: json!({ "webhook": webhook.key.id }),
        at_ms: now_ms(),
    };
    let delivery = Delivery { id: uuid::Uuid::now_v7().to_string(), body: moment.json().into() };
    let began = Instant::now();
    let sent = sender.send(webhook, &delivery).await;
    (began.elapsed().as_millis() as u64, sent)
}
