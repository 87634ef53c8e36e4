//! Guarantees 12 and 13: sessions for people, and what is revoked.

use std::collections::HashSet;

use presence_service::store::Revoked;

use super::*;

pub async fn a_user_s_sessions_say_where_with_what_and_since_when([one, other]: Replicas) {
    let g1 = gateway("g1", 7);
    let client = Client::new("192.0.2.7", "A phone/1.0 (with spaces; ä)");
    let phone = Connected { client, ..opened("ann", "phone", u64::MAX) };
    one.report(&report(&g1, vec![phone.clone(), opened("bob", "phone", 2)], vec![])).await.unwrap();
    assert_eq!(other.sessions(&user("bob")).await.unwrap()[0].client, Client::default());
    let sessions = other.sessions(&user("ann")).await.unwrap();
    assert_eq!(sessions.len(), 1);
    let session = &sessions[0];
    assert_eq!((session.gateway_id.as_str(), session.connection), ("g1", u64::MAX));
    assert_eq!((session.device_id.as_str(), session.device_type), ("phone", 1));
    assert_eq!(session.connected_at_ms, phone.connected_at_ms);
    assert_eq!(session.client, phone.client);
    assert!(other.sessions(&user("nobody")).await.unwrap().is_empty());
    // A full account says it again; what took its place says its own.
    let g2 = gateway("g2", 1);
    one.report(&snapshot(&g2, vec![phone.clone()])).await.unwrap();
    let moved = Connected { client: Client::new("192.0.2.8", ""), ..opened("ann", "phone", 3) };
    one.report(&report(&g2, vec![moved.clone()], vec![closed("ann", u64::MAX)])).await.unwrap();
    let sessions = other.sessions(&user("ann")).await.unwrap();
    assert_eq!(sessions.iter().map(|it| &it.client).collect::<Vec<_>>(), [&moved.client]);
    let gateways = other.gateways().await.unwrap();
    let gateways: HashSet<_> = gateways.into_iter().collect();
    assert_eq!(gateways, HashSet::from([g1, g2]));
}

pub async fn what_is_revoked_is_listed_until_its_time_is_over([one, other]: Replicas) {
    let until = |ms: u64, what: &[u8]| Revoked { until_ms: now_ms() + ms, what: what.to_vec() };
    let before = one.revoked_version().await.unwrap();
    let (list, version) = one.revoked().await.unwrap();
    assert!(list.is_empty() && version == before);
    let lasting = until(600_000, b"\0\xff lasting");
    one.revoke(&[lasting.clone(), until(50, b"short")]).await.unwrap();
    let after = other.revoked_version().await.unwrap();
    assert_ne!(before, after);
    // Said again, with an earlier end: the later one counts.
    other.revoke(&[until(100_000, &lasting.what)]).await.unwrap();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let (list, version) = one.revoked().await.unwrap();
        assert_ne!(version, after);
        if list == [lasting.clone()] {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{list:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub async fn beyond_the_bound_what_ends_soonest_is_forgotten([one, other]: Replicas) {
    let revoked: Vec<Revoked> = (0..REVOCATIONS + 10)
        .map(|number| Revoked {
            until_ms: now_ms() + 100_000 + number * 1_000,
            what: number.to_be_bytes().to_vec(),
        })
        .collect();
    one.revoke(&revoked).await.unwrap();
    let (list, _) = other.revoked().await.unwrap();
    let left: HashSet<Vec<u8>> = list.into_iter().map(|revoked| revoked.what).collect();
    let expected = revoked[10..].iter().map(|revoked| revoked.what.clone()).collect();
    assert_eq!(left, expected);
}
