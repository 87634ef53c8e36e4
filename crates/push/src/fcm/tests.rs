//! The provider against the fake of Firebase.

use platform::outgoing_http::OutgoingConfig;
use platform::secret::Secret;
use push_fakes::{Canned, FcmFake, Mode};

use super::*;
use crate::note::tests::note;
use crate::tests_support::job;

fn provider(fake: &FcmFake) -> Fcm {
    platform::install_crypto_provider();
    let config = FcmConfig {
        service_account: Secret::new(fake.service_account()),
        service_account_file: None,
        url: fake.url(),
    };
    let http = OutgoingConfig { timeout_ms: 500, ..OutgoingConfig::default() };
    Fcm::prepare(&config, &Asking { in_flight: 4, http: &http }).unwrap().unwrap()
}

#[tokio::test]
async fn many_pushes_are_sent_under_one_access_token() {
    let fake = FcmFake::start().await;
    let provider = provider(&fake);
    let clear = Note { kind: NoteKind::Clear, ..note() };
    let mut jobs = vec![job("t-1", note()), job("t-1", clear), job("t-1", note().bare())];
    jobs.extend((0..20).map(|n| job(&format!("other-{n}"), note())));
    let sent = provider.send(jobs).await;
    assert!(sent.iter().all(|it| matches!(it, Outcome::Sent(_))), "{sent:?}");
    assert_eq!((fake.problems(), fake.tokens_granted()), (Vec::new(), 1));
    let received = fake.received_of("t-1");
    assert_eq!(received.len(), 3);
    let shown: Vec<_> =
        received.iter().filter(|it| it.body["message"]["notification"].is_object()).collect();
    assert_eq!(shown.len(), 1, "nothing of the content, nothing shown by the system");
    assert_eq!(shown[0].body["message"]["notification"]["title"], "Ann");
    assert_eq!(shown[0].data["seq"], "17");
    assert_eq!(shown[0].body["message"]["android"]["priority"], "HIGH");
}

#[tokio::test]
async fn a_token_that_is_not_taken_any_more_is_replaced() {
    let fake = FcmFake::start().await;
    let provider = provider(&fake);
    let send = async || provider.send(vec![job("t-1", note())]).await.remove(0);
    assert_eq!(send().await.name(), "sent");
    fake.expire_tokens();
    assert_eq!(send().await.name(), "retry");
    assert_eq!(send().await.name(), "sent");
    assert_eq!(fake.problems(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_answered_decides_what_becomes_of_the_push() {
    let fake = FcmFake::start().await;
    let provider = provider(&fake);
    let send = async || provider.send(vec![job("t-1", note())]).await.remove(0);
    let error = |status: u16, code: &str| Canned {
        status,
        headers: vec![("retry-after", "9".to_owned())],
        body: json!({ "error": { "code": status, "status": "X", "message": "m", "details": [
            { "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code },
        ] } })
        .to_string(),
    };
    for (status, code, expected) in [
        (404, "UNREGISTERED", "gone"),
        (403, "SENDER_ID_MISMATCH", "gone"),
        (400, "INVALID_ARGUMENT", "refused"),
        (429, "QUOTA_EXCEEDED", "retry"),
        (503, "UNAVAILABLE", "retry"),
        (500, "INTERNAL", "retry"),
    ] {
        fake.answer("t-1", error(status, code));
        assert_eq!(send().await.name(), expected, "{code}");
    }
    fake.behave(Mode::Dying);
    assert_eq!(send().await.name(), "retry");
}

#[test]
fn a_service_account_that_is_none_is_named_and_not_quoted() {
    platform::install_crypto_provider();
    let http = OutgoingConfig::default();
    let asking = Asking { in_flight: 1, http: &http };
    let odd = [
        "hunter2".to_owned(),
        "{}".to_owned(),
        json!({ "project_id": "p", "client_email": "e", "private_key": "hunter2", "token_uri": "u" })
            .to_string(),
    ];
    for text in odd {
        let service_account = Secret::new(text);
        let config = FcmConfig { service_account, ..FcmConfig::default() };
        let Err(error) = Fcm::prepare(&config, &asking) else { panic!("taken") };
        let error = error.to_string();
        assert!(error.starts_with("push.fcm.service_account: "), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    assert!(Fcm::prepare(&FcmConfig::default(), &asking).is_ok_and(|it| it.is_none()));
}
