//! Users of several tenants at one gateway: equal names and equal ids of conversations and broadcasts, each apart.

use std::time::{Duration, SystemTime};

use gateway::tenants::TenantConfig;
use platform::secret::Secret;
use platform::token::{NewToken, Signer};
use proto::bus::{ChannelPush, EntryPush};
use proto::id::{ConversationId, TenantId, UserName};
use serde_json::json;
use uuid::Uuid;

use crate::device::Device;
use crate::edge::{Edge, Said, admin_token, token};

const SECRET: &str = "the secret of acme, which nobody else has";
const ID: Uuid = Uuid::from_u128(7);

async fn edge() -> Edge {
    let acme = TenantConfig {
        id: "acme".to_owned(),
        hs256_secret: Secret::new(SECRET),
        ..TenantConfig::default()
    };
    Edge::with_tenants(&[acme]).await
}

fn acme_token(user: &str, roles: &[&str]) -> String {
    let token = NewToken {
        sub: user.to_owned(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        ttl: Duration::from_hours(1),
        ..NewToken::default()
    };
    Signer::hs256(&Secret::new(SECRET), None, None).sign(&token, SystemTime::now()).unwrap().0
}

fn entry(seq: u64, tenant: &str) -> EntryPush {
    EntryPush {
        frame: json!({ "type": "entry", "seq": seq, "of": tenant }).to_string().into(),
        conversation_id: ID.as_bytes().to_vec().into(),
        seq,
        channel: Some(ChannelPush { tenant: tenant.to_owned(), ..ChannelPush::default() }),
        ..EntryPush::default()
    }
}

#[tokio::test]
async fn a_frame_names_users_of_the_tenant_of_its_sender() {
    let edge = edge().await;
    let mut ann = Device::connect_with(&edge, &acme_token("ann", &[])).await;
    let client_id = Uuid::now_v7();
    ann.say(&json!({ "type": "send", "client_id": client_id, "to": "bob", "mentions": ["bob"],
        "content": { "text": "x" } }))
        .await;
    let frame = edge.frame().await;
    assert_eq!(frame.origin.as_ref().unwrap().user_id, "acme/ann");
    let send = Said::of(frame).unwrap();
    assert_eq!((send.to.as_str(), &send.mentions[..]), ("acme/bob", &["acme/bob".to_owned()][..]));
    let [one, two] = ["ann", "bob"].map(|name| UserName::parse(name).unwrap());
    let direct = |tenant| ConversationId::direct(tenant, &one, &two).to_bytes();
    assert_eq!(send.conversation_id, direct(TenantId::parse("acme").unwrap()));
    assert_ne!(send.conversation_id, direct(TenantId::DEFAULT));
    // A name with a tenant in it is no name.
    ann.say(&json!({ "type": "send", "ref": "r", "client_id": client_id, "to": "default/bob",
        "content": { "text": "x" } }))
        .await;
    assert_eq!(ann.expect("error").await["code"], "bad_frame");
    edge.stop().await;
}

#[tokio::test]
async fn large_conversations_of_one_id_have_members_of_their_own_tenant_alone() {
    let edge = edge().await;
    // The chat service is asked by tenant; this one knows the members of both.
    edge.chat.has_members(3, &[("ann", 1), ("acme/ann", 1)]);
    let mut ours = Device::connect(&edge, "ann").await;
    let mut theirs = Device::connect_with(&edge, &acme_token("ann", &[])).await;
    edge.push_entries(vec![entry(3, ""), entry(3, "acme"), entry(4, "acme"), entry(4, "")]).await;
    for seq in 3..=4 {
        let [our, their] = [ours.expect("entry").await, theirs.expect("entry").await];
        assert_eq!((&our["seq"], &our["of"]), (&json!(seq), &json!("")), "{our}");
        assert_eq!((&their["seq"], &their["of"]), (&json!(seq), &json!("acme")), "{their}");
    }
    let mut asked = edge.chat.asked_among();
    asked.sort();
    assert_eq!(asked, [["acme/ann"], ["ann"]], "nobody is asked about users of another tenant");
    // Who comes in another tenant need not be asked about.
    let _bob = Device::connect_with(&edge, &acme_token("bob", &[])).await;
    edge.push_entries(vec![entry(5, "")]).await;
    assert_eq!(ours.expect("entry").await["seq"], 5);
    assert_eq!(edge.chat.asked_among().len(), 2);
    edge.stop().await;
}

#[tokio::test]
async fn a_broadcast_is_heard_in_the_tenant_of_its_operator_alone_whatever_its_id() {
    let edge = edge().await;
    let mut ours = Device::connect(&edge, "ann").await;
    let mut theirs = Device::connect_with(&edge, &acme_token("ann", &[])).await;
    let url = format!("http://{}/api/v1/admin/broadcast", edge.address);
    let id = Uuid::now_v7();
    for (token, of) in [(acme_token("op", &["admin"]), "acme"), (admin_token(), "default")] {
        let body = json!({ "id": id, "content": { "of": of } });
        let said = reqwest::Client::new().post(&url).bearer_auth(token).json(&body);
        assert_eq!(said.send().await.unwrap().status(), 202);
    }
    assert_eq!(ours.expect("notice").await["content"]["of"], "default");
    assert_eq!(theirs.expect("notice").await["content"]["of"], "acme");
    edge.stop().await;
}

#[tokio::test]
async fn who_uses_the_gateway_is_counted_by_tenant() {
    let edge = edge().await;
    let mut ann = Device::connect_with(&edge, &acme_token("ann", &[])).await;
    let _own = Device::connect(&edge, "ann").await;
    ann.say(&json!({ "type": "send", "client_id": Uuid::now_v7(), "to": "bob", "content": { "text": "x" } }))
        .await;
    edge.send().await;
    for (series, count) in [
        (r#"connections{tenant="acme"}"#, 1),
        (r#"connections{tenant="default"}"#, 1),
        (r#"messages_total{tenant="acme"}"#, 1),
        (r#"messages_total{tenant="default"}"#, 0),
    ] {
        assert_eq!(edge.metric(&format!("tidings_gateway_tenant_{series}")), count, "{series}");
    }
    edge.stop().await;
}

#[tokio::test]
async fn a_token_of_one_tenant_does_not_extend_a_connection_of_another() {
    let edge = edge().await;
    let mut ann = Device::connect_with(&edge, &acme_token("ann", &[])).await;
    ann.say(&json!({ "type": "auth", "token": token("ann") })).await;
    assert_eq!(ann.closed().await.0, 4001);
    edge.stop().await;
}
