//! The provider against the fake of Apple's service.

use platform::outgoing_http::OutgoingConfig;
use platform::secret::Secret;
use push_fakes::{ApnsFake, Canned, Mode};
use serde_json::Value;

use super::*;
use crate::note::tests::note;
use crate::tests_support::job;

fn provider(fake: &ApnsFake) -> Apns {
    platform::install_crypto_provider();
    let [key_id, team_id, topic] = fake.ids().map(ToOwned::to_owned);
    let config = ApnsConfig {
        private_key: Secret::new(fake.private_key()),
        key_id,
        team_id,
        topics: vec![topic, "com.example.other".to_owned()],
        url: fake.url(),
        ..ApnsConfig::default()
    };
    let http = OutgoingConfig { timeout_ms: 1_000, ..OutgoingConfig::default() };
    Apns::prepare(&config, &Asking { in_flight: 8, http: &http }).unwrap().unwrap()
}

#[tokio::test]
async fn pushes_go_over_one_connection_under_one_token() {
    let fake = ApnsFake::start().await;
    let provider = provider(&fake);
    let clear = Note { kind: NoteKind::Clear, badge: Some(0), ..note() };
    let mut jobs = vec![job("ab01", note()), job("ab02", clear), job("ab03", note().bare())];
    jobs.extend((0..50).map(|n| job(&format!("cd{n:02}"), note())));
    let first = provider.send(vec![job("ab00", note())]).await;
    assert!(matches!(first[0], Outcome::Sent(_)), "{first:?}");
    let sent = provider.send(jobs).await;
    assert!(sent.iter().all(|it| matches!(it, Outcome::Sent(_))), "{sent:?}");
    assert_eq!((fake.problems(), fake.connections()), (Vec::new(), 1));
    let of = |token| fake.received_of(token).remove(0);
    assert_eq!(of("ab01").body["aps"]["alert"]["title"], "Ann");
    assert_eq!(of("ab01").headers["apns-priority"], "10");
    assert_eq!(of("ab03").body["aps"]["alert"], json!({ "body": "New message" }));
    assert_eq!(of("ab02").headers["apns-push-type"], "background");
    assert_eq!(of("ab02").body["aps"]["badge"], 0);
    assert_eq!(of("ab02").headers["apns-collapse-id"], of("ab01").headers["apns-collapse-id"]);
}

#[tokio::test]
async fn nothing_is_lost_when_the_provider_says_goaway() {
    let fake = ApnsFake::start().await;
    let provider = provider(&fake);
    fake.end_connections_after(5);
    let mut outcomes = Vec::new();
    for n in 0..6 {
        let jobs = (0..8).map(|m| job(&format!("{n}{m}"), note())).collect();
        outcomes.extend(provider.send(jobs).await);
    }
    let sent = outcomes.iter().filter(|it| it.name() == "sent").count();
    let retried = outcomes.iter().filter(|it| it.name() == "retry").count();
    assert_eq!(sent + retried, 48, "each was taken, or is sent again: {outcomes:?}");
    assert!(sent >= 24 && fake.received().len() >= sent, "{sent}");
    assert!(fake.connections() > 1);
    assert_eq!(fake.problems(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_answered_decides_what_becomes_of_the_push() {
    let fake = ApnsFake::start().await;
    let provider = provider(&fake);
    let send = async || provider.send(vec![job("ab01", note())]).await.remove(0);
    let says = |status, body: Value| {
        let canned = Canned { status, headers: Vec::new(), body: body.to_string() };
        fake.answer("ab01", canned);
    };
    says(410, json!({ "reason": "Unregistered", "timestamp": 1_700_000_000_000_u64 }));
    assert_eq!(send().await, Outcome::Gone { since_ms: Some(1_700_000_000_000) });
    says(400, json!({ "reason": "BadDeviceToken" }));
    assert_eq!(send().await, Outcome::Gone { since_ms: None });
    says(400, json!({ "reason": "DeviceTokenNotForTopic" }));
    assert_eq!(send().await, Outcome::Refused("400: DeviceTokenNotForTopic".to_owned()));
    for (status, reason) in
        [(429, "TooManyRequests"), (503, "ServiceUnavailable"), (403, "ExpiredProviderToken")]
    {
        says(status, json!({ "reason": reason }));
        assert_eq!(send().await.name(), "retry", "{reason}");
    }
    says(403, json!({ "reason": "InvalidProviderToken" }));
    assert_eq!(send().await.name(), "refused");
    for mode in [Mode::Dying, Mode::Silent] {
        fake.behave(mode);
        assert_eq!(send().await.name(), "retry", "{mode:?}");
    }
}

#[tokio::test]
async fn a_device_of_an_application_that_is_not_configured_is_refused() {
    let fake = ApnsFake::start().await;
    let provider = provider(&fake);
    let mut job = job("ab01", note());
    job.target.app = "com.example.stranger".to_owned();
    assert_eq!(provider.send(vec![job]).await[0].name(), "refused");
    assert_eq!(fake.asked(), 0);
    assert_eq!(provider.token("AB01").unwrap(), "ab01");
    for odd in ["", "xyz", "../../x", &"a".repeat(999)] {
        assert!(provider.token(odd).is_err(), "{odd}");
    }
}

#[test]
fn what_is_missing_in_the_section_is_named() {
    platform::install_crypto_provider();
    let http = OutgoingConfig::default();
    let asking = Asking { in_flight: 1, http: &http };
    let config = ApnsConfig {
        private_key: Secret::new("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"),
        key_id: "K".to_owned(),
        team_id: "T".to_owned(),
        ..ApnsConfig::default()
    };
    let Err(error) = Apns::prepare(&config, &asking) else { panic!("taken") };
    assert_eq!(error.to_string(), "push.apns.topics: it is needed with a key");
    assert!(Apns::prepare(&ApnsConfig::default(), &asking).is_ok_and(|it| it.is_none()));
}
