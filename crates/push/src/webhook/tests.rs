//! The provider against the fake of a receiver.

use platform::outgoing_http::OutgoingConfig;
use platform::secret::Secret;
use push_fakes::{Canned, WebhookFake};

use super::*;
use crate::note::tests::note;
use crate::tests_support::job;

fn provider(url: &str, secret: &str) -> Result<Option<Webhook>, ProviderError> {
    platform::install_crypto_provider();
    let config =
        PushWebhookConfig { url: url.to_owned(), secret: Secret::new(secret), secret_file: None };
    let http = OutgoingConfig { timeout_ms: 500, ..OutgoingConfig::default() };
    Webhook::prepare(&config, &Asking { in_flight: 4, http: &http })
}

#[tokio::test]
async fn the_receiver_verifies_what_it_gets_and_knows_a_repeat_by_its_id() {
    let fake = WebhookFake::start().await;
    let provider = provider(&fake.url(), &fake.secret()).unwrap().unwrap();
    let clear = Note { kind: NoteKind::Clear, ..note() };
    let sent = provider.send(vec![job("t-1", note()), job("t-1", note()), job("t-2", clear)]).await;
    assert!(sent.iter().all(|it| matches!(it, Outcome::Sent(_))), "{sent:?}");
    assert_eq!(fake.problems(), Vec::<String>::new());
    let received = fake.received_of("t-1");
    assert_eq!(received[0].headers["webhook-id"], received[1].headers["webhook-id"]);
    assert_eq!(received[0].body["type"], "push.message");
    assert_eq!(
        (&received[0].data["user_id"], &received[0].data["text"]),
        (&"ann".into(), &"Hi".into())
    );
    assert_eq!(fake.received_of("t-2")[0].body["type"], "push.clear");
}

#[tokio::test]
async fn what_the_receiver_answers_decides_what_becomes_of_the_push() {
    let fake = WebhookFake::start().await;
    let provider = provider(&fake.url(), &fake.secret()).unwrap().unwrap();
    for (status, expected) in
        [(410, "gone"), (404, "refused"), (302, "refused"), (429, "retry"), (502, "retry")]
    {
        fake.answer("t-1", Canned { status, headers: Vec::new(), body: String::new() });
        let outcome = provider.send(vec![job("t-1", note())]).await.remove(0);
        assert_eq!(outcome.name(), expected, "{status}");
    }
}

#[tokio::test]
async fn another_secret_is_found_by_the_receiver() {
    let fake = WebhookFake::start().await;
    let secret = format!("whsec_{}", STANDARD.encode([1; 32]));
    let provider = provider(&fake.url(), &secret).unwrap().unwrap();
    assert_eq!(provider.send(vec![job("t-1", note())]).await[0].name(), "refused");
    assert_eq!(fake.problems(), ["no signature is right"]);
}

#[test]
fn a_url_needs_a_secret_that_is_long_enough() {
    for odd in ["", "whsec_", "whsec_AAAA", "hunter2"] {
        let Err(error) = provider("https://hooks.example", odd) else { panic!("taken") };
        assert!(error.to_string().starts_with("push.webhook.secret: "), "{error}");
    }
    assert!(provider("", "").is_ok_and(|it| it.is_none()));
}
