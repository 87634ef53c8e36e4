//! The provider against the fake of a browser's push service.

use std::time::Duration;

use platform::outgoing_http::OutgoingConfig;
use platform::secret::Secret;
use push_fakes::{Canned, Mode, WebPushFake};

use super::*;
use crate::note::tests::note;
use crate::tests_support::job;
use crate::{Note, NoteKind};

const PRIVATE: &str = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw";

fn provider(trusted: &[&str]) -> WebPush {
    platform::install_crypto_provider();
    let config = WebPushConfig {
        private_key: Secret::new(PRIVATE),
        private_key_file: None,
        subject: "mailto:ops@example.com".to_owned(),
    };
    let trusted_hosts = trusted.iter().map(ToString::to_string).collect();
    let http = OutgoingConfig { trusted_hosts, timeout_ms: 500, ..OutgoingConfig::default() };
    WebPush::prepare(&config, &Asking { in_flight: 4, http: &http }).unwrap().unwrap()
}

#[tokio::test]
async fn a_browser_decrypts_what_a_push_says_and_finds_nothing_wrong() {
    let (fake, provider) = (WebPushFake::start().await, provider(&["127.0.0.1"]));
    let browser = fake.subscribe(provider.public_key());
    let token = provider.token(&browser.subscription.to_string()).unwrap();
    let clear = Note { kind: NoteKind::Clear, ..note() };
    let large = Note { text: Some("ü".repeat(4_000)), ..note() };
    let jobs = [note(), clear, large].map(|note| job(&token, note));
    let sent = provider.send(jobs.to_vec()).await;
    assert!(sent.iter().all(|it| matches!(it, Outcome::Sent(_))), "{sent:?}");
    assert_eq!(fake.problems(), Vec::<String>::new());
    let mut received = fake.received_of(&browser.token);
    received.sort_by_key(|it| (it.data["type"] == "clear", it.data.get("text").is_none()));
    assert_eq!(received[0].data["text"], "Hi");
    assert_eq!((&received[0].data["seq"], &received[0].data["badge"]), (&17.into(), &3.into()));
    assert_eq!(received[0].headers["urgency"], "high");
    assert_eq!(received[1].data.get("text"), None, "too large with its content");
    assert_eq!(received[2].data["type"], "clear");
    let topic = |at: usize| &received[at].headers["topic"];
    assert_eq!(topic(0), topic(2), "what takes it back replaces what still waits");
}

#[tokio::test]
async fn what_a_push_service_answers_decides_what_becomes_of_the_push() {
    let (fake, provider) = (WebPushFake::start().await, provider(&["127.0.0.1"]));
    let browser = fake.subscribe(provider.public_key());
    let token = provider.token(&browser.subscription.to_string()).unwrap();
    let send = async || provider.send(vec![job(&token, note())]).await.remove(0);
    for (status, expected) in [(404, "gone"), (410, "gone"), (413, "refused"), (500, "retry")] {
        let canned = Canned { status, headers: Vec::new(), body: "why".to_owned() };
        fake.answer(&browser.token, canned);
        assert_eq!(send().await.name(), expected, "{status}");
    }
    fake.behave(Mode::Throttled(7));
    let Outcome::Retry(after, _) = send().await else { panic!("throttled") };
    assert_eq!(after, Some(Duration::from_secs(7)));
    for mode in [Mode::Dying, Mode::Silent] {
        fake.behave(mode);
        assert_eq!(send().await.name(), "retry", "{mode:?}");
    }
}

#[tokio::test]
async fn a_subscription_of_another_key_is_refused_by_the_push_service() {
    let (fake, provider) = (WebPushFake::start().await, provider(&["127.0.0.1"]));
    let other =
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    let browser = fake.subscribe(other);
    let token = provider.token(&browser.subscription.to_string()).unwrap();
    assert_eq!(provider.send(vec![job(&token, note())]).await[0].name(), "refused");
    assert_eq!(fake.problems(), ["the key is not that of the subscription"]);
}

#[tokio::test]
async fn a_subscription_that_leads_inside_or_cannot_be_used_is_not_taken() {
    let provider = provider(&[]);
    let keys = serde_json::json!({
        "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        "auth": "BTBZMqHH6r4Tts7J_aSIgg",
    });
    let with = |endpoint: &str, keys: &serde_json::Value| {
        provider.token(&serde_json::json!({ "endpoint": endpoint, "keys": keys }).to_string())
    };
    let token = with("https://push.example/abc", &keys).unwrap();
    assert_eq!(provider.identity(&token), "https://push.example/abc");
    for inside in ["http://push.example/x", "https://127.0.0.1/x", "https://[::1]/x", "x"] {
        assert!(with(inside, &keys).is_err(), "{inside}");
    }
    for (p256dh, auth) in [("", ""), ("BAAA", "BTBZMqHH6r4Tts7J_aSIgg"), ("!", "!")] {
        let odd = serde_json::json!({ "p256dh": p256dh, "auth": auth });
        assert!(with("https://push.example/abc", &odd).is_err(), "{odd}");
    }
    let no_point = serde_json::json!({
        "p256dh": base64([4_u8; 65]), "auth": "BTBZMqHH6r4Tts7J_aSIgg",
    });
    assert!(with("https://push.example/abc", &no_point).is_err());
    assert!(provider.token("nonsense").is_err());
    // Names are looked up when they are asked.
    let token = with("https://localhost/x", &keys).unwrap();
    let outcome = provider.send(vec![job(&token, note())]).await.remove(0);
    assert_eq!(outcome.name(), "refused", "{outcome:?}");
}

#[test]
fn mistakes_of_the_section_name_their_key() {
    platform::install_crypto_provider();
    let http = OutgoingConfig::default();
    let asking = Asking { in_flight: 1, http: &http };
    let prepare = |private_key: &str, file: Option<&str>, subject: &str| {
        let config = WebPushConfig {
            private_key: Secret::new(private_key),
            private_key_file: file.map(Into::into),
            subject: subject.to_owned(),
        };
        match WebPush::prepare(&config, &asking) {
            Ok(it) => it.is_some().to_string(),
            Err(error) => error.to_string(),
        }
    };
    assert_eq!(prepare("", None, ""), "false");
    assert_eq!(prepare(PRIVATE, None, "https://example.com"), "true");
    assert!(prepare("hunter2", None, "mailto:a@b").starts_with("push.web_push.private_key: "));
    assert!(!prepare("hunter2", None, "mailto:a@b").contains("hunter2"));
    assert!(prepare(PRIVATE, None, "").starts_with("push.web_push.subject: "));
    assert!(prepare(PRIVATE, Some("/x"), "").contains("give one"));
    assert!(prepare("", Some("/no/such"), "").contains("push.web_push.private_key_file: /no/such"));
}
