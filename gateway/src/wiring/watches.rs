//! What readiness is told of the gateway's needs: the bus, its queue, the chat services. The link to presence
//! tells of presence itself.

use std::sync::Arc;

use bus::{Bus, BusState};
use platform::readiness::Dependency;
use platform::shutdown::Shutdown;
use proto::common::GatewayRef;
use tokio::sync::watch;

/// Ready means that answers can come: a request that is taken before has nobody to answer it.
pub(crate) async fn queue(
    mut gateway: watch::Receiver<Option<GatewayRef>>,
    dependency: Dependency,
    shutdown: Shutdown,
) {
    loop {
        if gateway.borrow_and_update().is_some() {
            dependency.up();
        } else {
            dependency.down("no queue for answers yet");
        }
        tokio::select! {
            changed = gateway.changed() => if changed.is_err() { return },
            () = shutdown.begun() => return,
        }
    }
}

/// Ready means that questions are answered: any one of those that serve will do.
pub(crate) async fn service(
    mut serving: watch::Receiver<Option<bool>>,
    service: Dependency,
    shutdown: Shutdown,
) {
    loop {
        match *serving.borrow_and_update() {
            Some(true) => service.up(),
            Some(false) => service.down("nobody serves at any of its addresses"),
            None => {}
        }
        tokio::select! {
            changed = serving.changed() => if changed.is_err() { return },
            () = shutdown.begun() => return,
        }
    }
}

/// The connection to the bus.
pub(crate) async fn bus(bus: Arc<dyn Bus>, broker: Dependency, shutdown: Shutdown) {
    let mut state = bus.state();
    loop {
        match &*state.borrow_and_update() {
            BusState::Up => broker.up(),
            BusState::Down(reason) => broker.down(reason.clone()),
        }
        tokio::select! {
            changed = state.changed() => if changed.is_err() { return },
            () = shutdown.begun() => return,
        }
    }
}
