//! Guarantee 18: what gateways carry.

use presence_service::domain::load::Load;

use super::*;

fn load(connections: u32) -> Load {
    Load { connections, takes: true, is_draining: false }
}

fn named(loads: Vec<(GatewayId, Load)>) -> Vec<(String, Load)> {
    loads.into_iter().map(|(id, load)| (id.to_string(), load)).collect()
}

async fn say(store: &dyn PresenceStore, id: &str, load: Load) -> Vec<(String, Load)> {
    named(store.note_load(&gateway(id, 1).id, load).await.unwrap())
}

pub async fn what_a_gateway_says_of_its_load_is_known_at_every_replica([one, other]: Replicas) {
    let g1 = ("g1".to_owned(), load(7));
    assert_eq!(say(one.as_ref(), "g1", load(7)).await, std::slice::from_ref(&g1));
    let leaving = Load { connections: 3, takes: false, is_draining: true };
    let g2 = ("g2".to_owned(), leaving);
    assert_eq!(say(other.as_ref(), "g2", leaving).await, [g1, g2.clone()]);
    let g1 = ("g1".to_owned(), load(8));
    assert_eq!(say(one.as_ref(), "g1", load(8)).await, [g1, g2], "the last word counts");
    assert_eq!(one.gateways().await.unwrap(), [], "no lease comes of it");
}

pub async fn a_gateway_that_leaves_or_is_silent_carries_nothing_any_more([one, other]: Replicas) {
    let g1 = gateway("g1", 1);
    one.report(&report(&g1, vec![opened("ann", "phone", 1)], vec![])).await.unwrap();
    say(one.as_ref(), "g1", load(1)).await;
    say(one.as_ref(), "g2", load(2)).await;
    assert!(!one.sign_off(&gateway("g1", 2)).await.unwrap());
    assert_eq!(say(other.as_ref(), "g3", load(0)).await.len(), 3, "an epoch that is not its own");
    assert!(one.sign_off(&g1).await.unwrap());
    let ids = |loads: Vec<(String, Load)>| loads.into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    assert_eq!(ids(say(other.as_ref(), "g3", load(0)).await), ["g2", "g3"]);
    // The second one is silent.
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while ids(say(other.as_ref(), "g3", load(0)).await) != ["g3"] {
        assert!(tokio::time::Instant::now() < deadline, "a silent one is still counted");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub async fn of_gateways_that_speak_at_once_none_is_lost([one, other]: Replicas) {
    let says = (0..40u32).map(|number| {
        let store = if number % 2 == 0 { &one } else { &other };
        async move { say(store.as_ref(), &format!("g{number:02}"), load(number)).await.len() }
    });
    let counts = futures_util::future::join_all(says).await;
    assert_eq!(counts.into_iter().max(), Some(40));
}
