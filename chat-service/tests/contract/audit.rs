//! What operators did.

use chat_service::store::audit::Act;
use proto::id::TenantId;

use super::{Store, user};

pub async fn acts_are_kept_for_their_tenant_in_their_order(store: Store) {
    let act = |number: u64| Act {
        actor: user("root"),
        ip: "192.0.2.1".to_owned(),
        action: "webhook.create".to_owned(),
        target: number.to_string(),
        reason: "because".to_owned(),
        details: r#"{"x":1}"#.to_owned(),
        at_ms: number,
    };
    for number in 1..=3 {
        store.record_act(&act(number)).await.unwrap();
    }
    assert_eq!(store.acts(TenantId::DEFAULT, 2).await.unwrap(), [act(3), act(2)]);
    assert!(store.acts(TenantId::parse("other").unwrap(), 9).await.unwrap().is_empty());
}
