//! Does what the schedule says, and shows that it happened.

mod backends;
mod full_disk;
mod links;
mod races;

use std::time::{Duration, Instant};

use anyhow::ensure;
use fault_proxy::Fault;
use rustix::process::Signal;

use super::fleets::Fleets;
use super::journal::Journal;
use super::machine;
use super::namespace::Packets;
use super::postgres;
use super::schedule::{Deed, Step};
use super::slow_readers::SlowReaders;
use super::system::{Backend, Service, System};
use super::wiring::LINKS;

/// A graceful stop takes no longer.
const DRAIN: Duration = Duration::from_secs(45);
/// A signal does its work within this time.
const SIGNAL: Duration = Duration::from_secs(2);
/// Clients find back within this time.
const HOME: Duration = Duration::from_secs(10);
/// So many connections make a link worth a fault.
const AT_HOME: u64 = 10;
/// Rounds of a storm.
const ROUNDS: u32 = 3;

/// Does one step, from its start to its end; what it says it did.
pub async fn perform(
    system: &mut System,
    fleets: &Fleets,
    journal: &Journal,
    step: &Step,
) -> anyhow::Result<()> {
    let (name, target) = (step.deed.name(), step.deed.target());
    journal.nemesis(name, &target, "start", "")?;
    let evidence = act(system, fleets, step).await?;
    journal.nemesis(name, &target, "stop", &evidence)
}

async fn pause_service(
    system: &mut System,
    service: Service,
    hold: Duration,
) -> anyhow::Result<String> {
    let process = system.service(service)?;
    process.signal("STOP").await;
    let pid = process.pid();
    let is_stopped = felt(|| machine::state(pid) == Some('T')).await;
    tokio::time::sleep(hold).await;
    process.signal("CONT").await;
    Ok(if is_stopped { format!("stopped for {hold:?}") } else { String::new() })
}

async fn pause_backend(
    system: &mut System,
    backend: Backend,
    hold: Duration,
) -> anyhow::Result<String> {
    let daemon = system.backend(backend);
    daemon.pause(true);
    felt(|| daemon.stopped() > 0).await;
    let stopped = daemon.stopped();
    tokio::time::sleep(hold).await;
    daemon.pause(false);
    let evidence = format!("{stopped} processes stopped for {hold:?}");
    Ok(if stopped > 0 { evidence } else { String::new() })
}

async fn act(system: &mut System, fleets: &Fleets, step: &Step) -> anyhow::Result<String> {
    let hold = Duration::from_millis(step.hold_ms);
    match &step.deed {
        Deed::KillService(service) => kill(system, &[*service], hold).await,
        Deed::KillTwo(one, other) => kill(system, &[*one, *other], hold).await,
        Deed::KillBackend(backend) => {
            backends::end(system.backend(*backend), Signal::KILL, hold).await
        }
        Deed::RestartBackend(backend) => {
            // Postgres: fast, without waiting for its clients.
            let by = if *backend == Backend::Postgres { Signal::INT } else { Signal::TERM };
            backends::end(system.backend(*backend), by, hold).await
        }
        Deed::PauseService(service) => pause_service(system, *service, hold).await,
        Deed::PauseBackend(backend) => pause_backend(system, *backend, hold).await,
        Deed::Drain(service) => {
            let status = system.service(*service)?.terminate(DRAIN).await;
            tokio::time::sleep(hold).await;
            system.start_service(*service).await?;
            ensure!(status.success(), "{service} stopped with {status}");
            Ok(format!("{status}"))
        }
        Deed::Flush => backends::flush(system).await,
        Deed::RedisPause => backends::redis_pause(system, step.hold_ms).await,
        Deed::CutSessions => {
            let count = postgres::terminate_backends(&system.postgres).await?;
            Ok(if count > 0 { format!("{count} sessions ended") } else { String::new() })
        }
        Deed::LockLog => backends::lock(system, hold).await,
        Deed::Alarm => backends::alarm(system, hold).await,
        Deed::DiskAlarm => backends::disk_alarm(system, hold).await,
        Deed::Link(link, how) => {
            if link.starts_with("client") {
                bring_home(system, link).await?;
            }
            links::spoil(&mut system.proxy, link, *how, hold).await
        }
        Deed::CommitCut(link) => links::commit_cut(&mut system.proxy, link, hold).await,
        Deed::LosePackets(service, packets) => lose(system, *service, *packets, hold).await,
        Deed::Clock(service, offset) => jump(system, *service, offset, hold).await,
        Deed::FullDisk(Backend::Broker) => full_disk::of_broker(system, hold).await,
        Deed::FullDisk(_) => full_disk::of_postgres(system, hold).await,
        Deed::ResetWhileCommitsWait(link) => {
            races::reset_while_commits_wait(system, link, hold).await
        }
        Deed::AbortCommits => races::abort_commits(system, hold).await,
        Deed::LateRegistration(gateway) => {
            races::reset_with_late_registration(system, *gateway, hold).await
        }
        Deed::Storm => storm(system, hold).await,
        Deed::SlowReaders => {
            let gateways = [system.gateway_address(0), system.gateway_address(1)];
            let readers = SlowReaders::connect(&gateways, &fleets.group_users()?).await?;
            tokio::time::sleep(hold).await;
            let (count, given_up) = readers.hang_up().await;
            Ok(format!("{count} devices read nothing, {given_up} were given up"))
        }
    }
}

async fn lose(
    system: &System,
    service: Service,
    packets: Packets,
    hold: Duration,
) -> anyhow::Result<String> {
    let namespace = system.means.namespace(service)?;
    namespace.lose(packets).await?;
    tokio::time::sleep(hold).await;
    let lost = namespace.heal().await?;
    Ok(if lost > 0 { format!("{lost} packets lost") } else { String::new() })
}

/// A clock jumps, stays wrong for a while, and jumps back.
async fn jump(
    system: &System,
    service: Service,
    offset: &str,
    hold: Duration,
) -> anyhow::Result<String> {
    let clocks = system.means.clocks()?;
    clocks.set(service, offset)?;
    tokio::time::sleep(hold).await;
    let is_read = clocks.is_read(service)?;
    clocks.set(service, "+0")?;
    Ok(if is_read { format!("its clock said {offset}") } else { String::new() })
}

/// Waits a moment until a signal has done its work.
async fn felt(is_felt: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + SIGNAL;
    while !is_felt() {
        if Instant::now() > deadline {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    true
}

async fn kill(system: &mut System, services: &[Service], hold: Duration) -> anyhow::Result<String> {
    let mut gone = Vec::new();
    for service in services {
        let process = system.service(*service)?;
        let pid = process.pid();
        process.kill().await;
        ensure!(!machine::signal(pid, Signal::CONT), "{service} outlives SIGKILL");
        gone.push(format!("pid {pid} is gone"));
    }
    tokio::time::sleep(hold).await;
    for service in services {
        system.start_service(*service).await?;
    }
    Ok(gone.join(", "))
}

async fn storm(system: &mut System, between: Duration) -> anyhow::Result<String> {
    let mut broken = 0;
    for _ in 0..ROUNDS {
        for link in links_of("client") {
            let before = system.proxy.seen(link).await?.broken;
            system.proxy.tell(link, Fault::Reset).await?;
            tokio::time::sleep(between / 2).await;
            broken += system.proxy.seen(link).await?.broken - before;
        }
    }
    Ok(if broken > 0 { format!("{broken} connections reset") } else { String::new() })
}

/// After a gateway has gone away its clients are elsewhere: a reset brings them back to their first
/// choice, since a fault on a link that nobody uses shows nothing.
async fn bring_home(system: &mut System, link: &str) -> anyhow::Result<()> {
    let deadline = Instant::now() + HOME;
    if system.proxy.seen(link).await?.open >= AT_HOME {
        return Ok(());
    }
    for other in links_of("client") {
        system.proxy.tell(other, Fault::Reset).await?;
    }
    while system.proxy.seen(link).await?.open < AT_HOME && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// The links with this far end.
fn links_of(end: &str) -> impl Iterator<Item = &'static str> {
    LINKS.into_iter().filter(move |link| link.starts_with(end))
}
