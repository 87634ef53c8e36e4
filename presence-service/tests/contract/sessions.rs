//! Guarantees 12 and 13: gateways, and sessions for people.

use std::collections::HashSet;

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
