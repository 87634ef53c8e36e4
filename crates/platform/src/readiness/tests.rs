//! Both questions, as what the process needs comes and goes, and as local causes do.

use super::*;

#[tokio::test(start_paused = true)]
async fn ready_means_start_done_dependencies_up_and_not_draining() {
    let readiness = Readiness::new();
    assert!(readiness.report().ready);
    let latch = readiness.latch("the tables are brought up to date");
    let bus = readiness.dependency(Cause::Bus);
    bus.down("nobody answers at 127.0.0.1:5672");
    let report = readiness.report();
    assert!(!report.ready);
    assert_eq!(
        report.causes,
        ["bus: nobody answers at 127.0.0.1:5672", "start: the tables are brought up to date"]
    );
    assert_eq!(report.labels, [Cause::Bus, Cause::Start]);
    drop(latch);
    bus.up();
    assert!(readiness.report().ready, "the first time counts at once");
    bus.down("lost");
    tokio::time::advance(HOLD).await;
    assert!(!readiness.report().ready, "it can go back");
    bus.up();
    tokio::time::advance(HOLD).await;
    readiness.set_draining();
    assert_eq!(readiness.report().causes, ["draining"]);
}

#[tokio::test(start_paused = true)]
async fn a_dependency_that_goes_away_after_the_start_takes_nobody_out_of_a_balancer() {
    let readiness = Readiness::new();
    let (latch, bus) = (readiness.latch("tables"), readiness.dependency(Cause::Bus));
    bus.up();
    bus.down("lost");
    tokio::time::advance(HOLD).await;
    assert_eq!(readiness.serving().causes, ["start: tables"], "the bus was there once");
    drop(latch);
    assert!(readiness.serving().ready);
    assert!(!readiness.report().ready, "people are told the truth");
    let is_full = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let asked = Arc::clone(&is_full);
    let holds = move || asked.load(std::sync::atomic::Ordering::Relaxed);
    readiness.serves_unless(Cause::Full, holds);
    assert_eq!(readiness.serving().labels, [Cause::Full]);
    is_full.store(false, std::sync::atomic::Ordering::Relaxed);
    assert!(readiness.serving().ready);
    readiness.set_draining();
    assert_eq!(readiness.serving().causes, ["draining"]);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_another_has_keeps_a_process_from_serving_and_from_being_ready() {
    let readiness = Readiness::new();
    let is_taken = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let asked = Arc::clone(&is_taken);
    let holds = move || asked.load(std::sync::atomic::Ordering::Relaxed);
    readiness.is_ready_unless(Cause::NameTaken, holds);
    assert_eq!(readiness.report().causes, ["name_taken"]);
    assert_eq!(readiness.serving().labels, [Cause::NameTaken]);
    is_taken.store(false, std::sync::atomic::Ordering::Relaxed);
    assert!(readiness.report().ready && readiness.serving().ready);
}

#[tokio::test(start_paused = true)]
async fn what_comes_and_goes_within_a_second_changes_nothing() {
    let readiness = Readiness::new();
    let database = readiness.dependency(Cause::Database);
    database.up();
    for _ in 0..10 {
        database.down("disk full");
        tokio::time::advance(HOLD / 2).await;
        assert!(readiness.report().ready);
        database.up();
        tokio::time::advance(HOLD / 2).await;
    }
    database.down("disk full");
    tokio::time::advance(HOLD).await;
    for _ in 0..10 {
        assert_eq!(readiness.report().causes, ["database: disk full"]);
        database.up();
        tokio::time::advance(HOLD / 2).await;
        database.down("disk full");
        tokio::time::advance(HOLD / 2).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_waiter_hears_when_everything_is_there() {
    let readiness = Readiness::new();
    readiness.until_ready().await;
    let (latch, bus) = (readiness.latch("not done yet"), readiness.dependency(Cause::Bus));
    let waiting = tokio::time::timeout(Duration::from_secs(1), readiness.until_ready());
    let arriving = async {
        bus.up();
        drop(latch);
    };
    let (waited, ()) = tokio::join!(waiting, arriving);
    assert!(waited.is_ok());
    bus.down("lost");
    tokio::time::advance(HOLD).await;
    let waiting = tokio::time::timeout(Duration::from_secs(1), readiness.until_ready());
    assert!(waiting.await.is_err());
    bus.up();
    let waiting = tokio::time::timeout(HOLD * 2, readiness.until_ready());
    assert!(waiting.await.is_ok(), "after a while it counts, without another word");
}

#[test]
fn each_change_of_a_dependency_is_logged_once_with_its_reason() {
    let text = crate::telemetry::captured::log("info", || {
        let bus = Readiness::new().dependency(Cause::Bus);
        for _ in 0..3 {
            bus.down("nobody answers at 127.0.0.1:5672");
        }
        bus.up();
        bus.up();
        bus.down("connection lost");
    });
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[0].contains("bus") && lines[0].contains("127.0.0.1:5672"), "{text}");
    assert!(lines[1].contains("connected") && lines[2].contains("connection lost"), "{text}");
}
