//! Guarantee 17: two processes with one gateway id.

use presence_service::domain::rivals::Heard;

use super::*;

/// Heartbeats of the contract's gateways.
const BEAT: Duration = Duration::from_millis(60);

pub async fn a_process_that_starts_again_at_once_has_no_rival([one, other]: Replicas) {
    let id = gateway("g1", 1).id;
    for process in 1..=40 {
        assert_eq!(one.hear(&id, process).await, Ok(Heard::Alone), "process {process}");
        assert_eq!(other.hear(&id, process).await, Ok(Heard::Alone), "process {process}");
    }
    // The last words of the one before came late, all at once.
    assert_eq!(other.hear(&id, 39).await, Ok(Heard::TakenOver));
    assert_eq!(one.hear(&id, 40).await, Ok(Heard::Alone));
    assert_eq!(one.hear(&gateway("g2", 1).id, 39).await, Ok(Heard::Alone), "another id");
}

pub async fn two_living_processes_with_one_id_are_both_told_until_one_is_silent(
    [one, other]: Replicas,
) {
    let id = gateway("g1", 1).id;
    assert_eq!(one.hear(&id, 1).await, Ok(Heard::Alone));
    assert_eq!(other.hear(&id, 2).await, Ok(Heard::Alone), "it takes the name over");
    assert_eq!(one.hear(&id, 1).await, Ok(Heard::TakenOver), "this may be a late word");
    tokio::time::sleep(BEAT).await;
    for _ in 0..4 {
        assert_eq!(one.hear(&id, 1).await, Ok(Heard::Rival));
        assert_eq!(other.hear(&id, 2).await, Ok(Heard::Rival));
        tokio::time::sleep(BEAT).await;
    }
    // The younger one ends, and the older one has its name back; then nobody is anybody's rival.
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while one.hear(&id, 1).await != Ok(Heard::Alone) {
        assert!(tokio::time::Instant::now() < deadline, "a silent one remains a rival");
        tokio::time::sleep(BEAT).await;
    }
    assert_eq!(other.hear(&id, 1).await, Ok(Heard::Alone));
    assert_eq!(gateways_of(one.as_ref()).await, 0, "no lease comes of it");
}

async fn gateways_of(store: &dyn PresenceStore) -> usize {
    let swept = store.sweep(100).await.unwrap();
    assert_eq!(swept.ended, []);
    store.gateways().await.unwrap().len()
}
