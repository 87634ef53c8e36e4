//! The gateways behind Nginx as it is shipped: by user, in turns, and for clients without WebSockets.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use e2e::client::Client;
use e2e::cluster::{self, Cluster};
use e2e::events::{Events, post};
use e2e::eventually::eventually;
use e2e::load::Load;
use e2e::metrics;
use e2e::nginx::{Balance, Nginx};
use e2e::token::{token, token_with};
use reqwest::header;
use serde_json::{Value, json};
use uuid::Uuid;

/// Only the proxy is known, and nobody is exempt: limits of addresses hold for clients behind it.
const BEHIND: [(&str, &str); 2] = [
    ("TIDINGS_GATEWAY__ADMISSION__TRUSTED_PROXIES", r#"["127.0.0.1/32"]"#),
    ("TIDINGS_GATEWAY__ADMISSION__EXEMPT_NETWORKS", "[]"),
];
/// So many users that chance does not put all of them at one gateway.
const USERS: u8 = 24;
/// Of the fleet.
const PAIRS: u64 = 30;
/// Longer than a gateway's window, linger and last answers.
const STOP: Duration = Duration::from_secs(40);

async fn start(label: &str, balance: Balance, more: &[(&str, &str)]) -> (Cluster, Nginx) {
    let cluster = Cluster::start_with(label, &[&BEHIND, more].concat()).await;
    let gateways = [cluster.gateway_address(0), cluster.gateway_address(1)];
    let nginx = Nginx::start(label, gateways, balance).await;
    (cluster, nginx)
}

/// A token that no other device of the user has.
fn own_token(user: &str, device: &str) -> String {
    token_with(user, 3600, &json!({ "jti": Uuid::now_v7(), "device": device }))
}

/// The gateway in a connection id.
fn gateway(welcome: &Value) -> String {
    let id = welcome["connection_id"].as_str().expect("an id");
    id.rsplit_once('.').expect("gateway.number").0.to_owned()
}

/// A device that says whose it is; the gateway that it came to.
async fn connect(nginx: &Nginx, user: &str, device: &str) -> (Client, String) {
    let path = format!("/ws?token={}&user={user}", own_token(user, device));
    let mut client = Client::open(nginx.address(), &path).await;
    let welcome = client.expect("welcome").await;
    (client, gateway(&welcome))
}

async fn sessions(nginx: &Nginx, token: &str) -> Vec<Value> {
    let url = format!("http://{}/api/v1/sessions", nginx.address());
    let answer = reqwest::Client::new().get(url).bearer_auth(token).send().await;
    let listed: Value = answer.expect("Nginx answers").json().await.expect("a list");
    listed["sessions"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn a_user_stays_at_one_gateway_and_users_spread_over_both() {
    let (cluster, nginx) = start("nginx-by-user", Balance::ByUser, &[]).await;
    let mut met = BTreeSet::new();
    for number in 1..=USERS {
        // Each from an address of its own: the proxy's would have no seats for all of them.
        let from = Ipv4Addr::new(127, 7, 7, number);
        let user = format!("user-{number}");
        let mut homes = BTreeSet::new();
        for device in ["phone", "laptop"] {
            let path = format!("/ws?token={}&user={user}", own_token(&user, device));
            let socket = Client::open_from(from, nginx.address(), &path, &[]).await;
            homes.insert(gateway(&socket.expect("let in").expect("welcome").await));
        }
        assert_eq!(homes.len(), 1, "{user}: its devices say whose they are and meet");

        // Without a word about the user the token decides, in whichever of its ways it comes.
        let token = own_token(&user, "tablet");
        let offered = format!("tidings.v1, bearer.{token}");
        let bearer = format!("Bearer {token}");
        let ways = [
            (format!("/ws?token={token}"), vec![]),
            ("/ws".to_owned(), vec![(header::AUTHORIZATION, &*bearer)]),
            ("/ws".to_owned(), vec![(header::SEC_WEBSOCKET_PROTOCOL, &*offered)]),
        ];
        let mut ends = BTreeSet::new();
        for (path, headers) in ways {
            let socket = Client::open_from(from, nginx.address(), &path, &headers).await;
            ends.insert(gateway(&socket.expect("let in").expect("welcome").await));
        }
        assert_eq!(ends.len(), 1, "{user}: one token, one gateway");
        met.extend(homes);
    }
    assert_eq!(met.len(), 2, "all of {USERS} users at {met:?}");
    cluster.stop().await;
}

#[tokio::test]
async fn the_gateway_sees_the_clients_address_and_counts_by_it() {
    let (cluster, nginx) = start("nginx-address", Balance::ByUser, &[]).await;
    let from = Ipv4Addr::new(127, 8, 9, 10);
    let token = own_token("ann", "phone");
    let path = format!("/ws?token={token}&user=ann");
    // What a client makes up about itself is not believed.
    let made_up = [(header::HeaderName::from_static("x-forwarded-for"), "203.0.113.7")];
    let ann = Client::open_from(from, nginx.address(), &path, &made_up).await;
    let mut ann = ann.expect("let in");
    ann.expect("welcome").await;
    let listed = sessions(&nginx, &token).await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["ip"], "127.8.9.10", "{listed:?}");

    // `admission.address_sockets` is 10. The word about the user is for the balancer alone, so that all of
    // these come to one gateway.
    let mut seated = vec![ann];
    let refused = loop {
        assert!(seated.len() <= 10, "an address has no more seats");
        let user = format!("user-{}", seated.len());
        let path = format!("/ws?token={}&user=ann", own_token(&user, "phone"));
        match Client::open_from(from, nginx.address(), &path, &[]).await {
            Ok(client) => seated.push(client),
            Err(status) => break status,
        }
    };
    assert_eq!((refused, seated.len()), (429, 10));
    let elsewhere = Ipv4Addr::new(127, 8, 9, 11);
    let path = format!("/ws?token={}&user=ann", own_token("ann", "laptop"));
    let other = Client::open_from(elsewhere, nginx.address(), &path, &[]).await;
    other.expect("another address has seats of its own").expect("welcome").await;
    cluster.stop().await;
}

#[tokio::test]
async fn the_longest_token_comes_through() {
    let (cluster, nginx) = start("nginx-token", Balance::ByUser, &[]).await;
    let padded = |length| token_with("ann", 3600, &json!({ "padding": "x".repeat(length) }));
    let most = (5_000..6_200).rfind(|&length| padded(length).len() <= 8 << 10);
    let long = padded(most.expect("tokens may be that long"));
    let bearer = format!("Bearer {long}");
    let headers = [(header::AUTHORIZATION, &*bearer)];
    let source = Ipv4Addr::new(127, 5, 5, 5);
    let ann = Client::open_from(source, nginx.address(), "/ws", &headers).await;
    ann.expect("let in").expect("welcome").await;
    cluster.stop().await;
}

#[tokio::test]
async fn clients_of_a_stopping_gateway_reach_the_other_and_lack_nothing() {
    let window = [("TIDINGS_GATEWAY__LIMITS__DRAIN_WINDOW_MS", "500")];
    let (mut cluster, nginx) = start("nginx-drain", Balance::ByUser, &window).await;
    // Somebody at the gateway that stays, and somebody at the one that leaves.
    let (mut leaver, mut stayer) = (None, None);
    for number in 0..USERS {
        let user = format!("user-{number}");
        let (client, home) = connect(&nginx, &user, "phone").await;
        let place = if home == "gateway-0" { &mut leaver } else { &mut stayer };
        if place.is_none() {
            *place = Some((client, user));
        }
        if leaver.is_some() && stayer.is_some() {
            break;
        }
    }
    let (mut ann, ann_id) = leaver.expect("a user of gateway-0");
    let (mut bob, bob_id) = stayer.expect("a user of gateway-1");
    bob.send_to(&ann_id, "before").await;
    let before = ann.expect("entry").await;
    assert_eq!(before["content"]["text"], "before");

    let mut leaving = cluster.gateways.remove(0);
    let gone = tokio::join!(leaving.terminate(STOP), async {
        ann.expect("redirect").await;
        ann.close().await;
        bob.send_to(&ann_id, "meanwhile").await;
        bob.answer_to("meanwhile").await;
        // At once: Nginx finds by itself that the gateway takes nobody any more.
        let (mut ann, home) = connect(&nginx, &ann_id, "phone").await;
        assert_eq!(home, "gateway-1");
        let id = before["conversation_id"].as_str().expect("an id");
        ann.say(&json!({ "type": "sync", "cursors": { id: before["seq"] } })).await;
        let page = ann.expect("sync_page").await;
        assert_eq!(page["entries"][0]["content"]["text"], "meanwhile");
        ann.expect("synced").await;
        bob.send_to(&ann_id, "after").await;
        assert_eq!(ann.expect("entry").await["content"]["text"], "after");
        ann.send_to(&bob_id, "here I am").await;
        assert_eq!(bob.expect("entry").await["content"]["text"], "here I am");
    });
    assert!(gone.0.success(), "a clean stop:\n{}", leaving.log_tail());
    cluster.stop().await;
}

/// Waits until both devices of all pairs have a socket somewhere.
async fn all_are_in(cluster: &Cluster) {
    eventually("all sockets", Duration::from_secs(40), || async {
        let mut sockets = 0.0;
        for gateway in &cluster.gateways {
            sockets += metrics::value(gateway, "tidings_gateway_connections").await.unwrap_or(0.0);
        }
        if sockets >= 2.0 * PAIRS as f64 { Ok(()) } else { Err(sockets) }
    })
    .await;
}

/// Both gateways are replaced under load that comes through Nginx alone.
async fn replaced_under_load(label: &str, balance: Balance) {
    let more = [
        ("TIDINGS_GATEWAY__LIMITS__DRAIN_WINDOW_MS", "2000"),
        // The whole fleet has one address.
        ("TIDINGS_GATEWAY__ADMISSION__EXEMPT_NETWORKS", r#"["127.0.0.0/8"]"#),
    ];
    let (mut cluster, nginx) = start(label, balance, &more).await;
    let pairs = PAIRS.to_string();
    let common = ["--scenario", "pairs", "--pairs", &pairs, "--rate", "50", "--warmup", "0s"];
    let times = ["--duration", "25s", "--drain", "60s", "--verify-history"];
    let fleet = format!("{label}-fleet");
    let load = Load::start(&fleet, &[nginx.address()], &[&common[..], &times].concat());
    for index in 0..2 {
        all_are_in(&cluster).await;
        let status = cluster.gateways[index].terminate(STOP).await;
        assert!(status.success(), "{status}:\n{}", cluster.gateways[index].log_tail());
        cluster.gateways[index] = cluster.start_gateway(index).await;
        cluster::ready(cluster.gateways[index].address("management")).await;
    }
    let report = load.valid(Duration::from_mins(3)).await;
    println!(
        "{label}: {} acknowledged, {} reconnects, errors {}",
        report["acknowledged"], report["reconnects"], report["errors"]
    );
    // With a balancer before them nobody dials a gateway that is away, and nothing breaks. A database that
    // is slow on a busy machine is no matter of the edge: clients are told, and repeat.
    let errors = report["errors"].as_object().expect("errors by kind");
    let expected = ["redirect", "error unavailable"];
    let unexpected: Vec<_> = errors.keys().filter(|kind| !expected.contains(&&***kind)).collect();
    assert!(unexpected.is_empty(), "nothing but being asked to go: {errors:?}");
    assert!(report["reconnects"].as_u64() >= Some(2 * PAIRS), "{report:#}");
    assert!(report["acknowledged"].as_u64() > Some(1_000), "{report:#}");
    cluster.stop().await;
}

#[tokio::test]
async fn gateways_are_replaced_behind_nginx_and_no_socket_breaks_or_is_refused() {
    replaced_under_load("nginx-rolling", Balance::ByUser).await;
}

#[tokio::test]
#[ignore = "slow: make test-slow"]
async fn gateways_are_replaced_behind_plain_round_robin_and_no_socket_breaks_or_is_refused() {
    replaced_under_load("nginx-rolling-turns", Balance::RoundRobin).await;
}

#[tokio::test]
async fn by_plain_round_robin_devices_of_a_user_at_both_gateways_hear_everything() {
    let (cluster, nginx) = start("nginx-turns", Balance::RoundRobin, &[]).await;
    let (mut phone, one) = connect(&nginx, "ann", "phone").await;
    let (mut laptop, mut other) = connect(&nginx, "ann", "laptop").await;
    // A request between the two may have had the other turn.
    for _ in 0..4 {
        if one != other {
            break;
        }
        (laptop, other) = connect(&nginx, "ann", "laptop").await;
    }
    assert_ne!(one, other, "in turns");
    let (mut bob, _) = connect(&nginx, "bob", "phone").await;
    let texts: Vec<String> = (0..20).map(|number| format!("message {number}")).collect();
    for text in &texts {
        bob.send_to("ann", text).await;
    }
    for device in [&mut phone, &mut laptop] {
        for (number, text) in texts.iter().enumerate() {
            let entry = device.expect("entry").await;
            assert_eq!(entry["content"]["text"], **text);
            assert_eq!(entry["seq"], number + 1);
        }
    }
    // What one device says the other one hears, too.
    phone.send_to("bob", "from the phone").await;
    assert_eq!(laptop.expect("entry").await["content"]["text"], "from the phone");
    bob.expect_where("entry", |entry| entry["content"]["text"] == "from the phone").await;
    cluster.stop().await;
}

/// Several users chat by streams: frames that come at once, and posts that all reach their stream.
async fn streams_work(label: &str, balance: Balance) {
    let (cluster, nginx) = start(label, balance, &[]).await;
    let address = nginx.address();
    let (mut bob, _) = connect(&nginx, "bob", "phone").await;
    let mut homes = BTreeSet::new();
    for number in 0..USERS / 3 {
        let user = format!("user-{number}");
        let token = token(&user);
        let (mut ann, id) = Events::open(address, &token).await;
        homes.insert(gateway(&json!({ "connection_id": &id })));
        for seq in 1..=4 {
            let send = json!({"type": "send", "ref": "r", "client_id": Uuid::now_v7(), "to": "bob",
                "content": {"text": "hello"}});
            assert_eq!(post(address, &id, &token, &send).await, 202, "{user}, post {seq}");
            assert_eq!(ann.expect("sent").await["seq"], 2 * seq - 1);
            bob.expect("entry").await;
            bob.send_to(&user, "hello yourself").await;
            // The stream is open and stays so: a proxy that collects would keep this for ever.
            assert_eq!(ann.expect("entry").await["seq"], 2 * seq);
        }
    }
    assert_eq!(homes.len(), 2, "streams at {homes:?} alone");
    cluster.stop().await;
}

#[tokio::test]
async fn event_streams_work_through_nginx_by_user() {
    streams_work("nginx-streams", Balance::ByUser).await;
}

#[tokio::test]
async fn event_streams_keep_their_gateway_where_all_else_goes_in_turns() {
    streams_work("nginx-streams-turns", Balance::RoundRobin).await;
}

#[tokio::test]
async fn a_post_that_came_to_the_wrong_gateway_is_told_so_and_arrives_when_it_is_repeated() {
    let (cluster, nginx) = start("nginx-misdirected", Balance::RoundRobinThroughout, &[]).await;
    let address = nginx.address();
    let token = token("ann");
    let (mut bob, _) = connect(&nginx, "bob", "phone").await;
    let (mut ann, id) = Events::open(address, &token).await;
    let mut misdirected = 0;
    for seq in 1..=6 {
        let send = json!({"type": "send", "ref": "r", "client_id": Uuid::now_v7(), "to": "bob",
            "content": {"text": "hello"}});
        let mut attempts = 0;
        // Nothing was taken, so it is repeated as it is. With two gateways it is soon the other's turn.
        while post(address, &id, &token, &send).await != 202 {
            attempts += 1;
            assert!(attempts <= 8, "post {seq}");
        }
        misdirected += attempts;
        assert_eq!(ann.expect("sent").await["seq"], seq);
        assert_eq!(bob.expect("entry").await["seq"], seq);
    }
    assert!(misdirected > 0, "half of all turns are the other's");
    cluster.stop().await;
}

#[tokio::test]
async fn a_token_in_a_query_stands_in_no_log_of_nginx_even_while_the_gateways_are_away() {
    let nginx = Nginx::before_nobody("nginx-logs").await;
    let base = format!("http://{}", nginx.address());
    let http = reqwest::Client::new();
    for request in [
        http.get(format!("{base}/ws?token=SECRET&user=ann")),
        http.get(format!("{base}/sse?token=SECRET")),
        http.post(format!("{base}/sse/gateway-1.1?token=SECRET")).body("{}"),
        http.get(format!("{base}/api/v1/me?token=SECRET")),
        http.get(format!("{base}/ws?token=SECRET")).header(header::TRANSFER_ENCODING, "nonsense"),
        http.get(format!("{base}/ws")).bearer_auth("SECRET"),
        http.get(format!("{base}/ws")).header(header::SEC_WEBSOCKET_PROTOCOL, "bearer.SECRET"),
    ] {
        request.send().await.expect("Nginx answers");
    }
    let lines = |log: &str| log.lines().filter(|line| line.contains(" /ws 502 ")).count();
    eventually("the requests are in the log", Duration::from_secs(10), || async {
        let log = nginx.logged();
        if lines(&log) >= 3 { Ok(()) } else { Err(log) }
    })
    .await;
    let log = nginx.logged();
    assert!(!log.contains("SECRET"), "{log}");
}
