//! Users who may have missed a push are looked up until presence answers, and sent their head digest so that their
//! clients sync; lost answers follow their connection. Must not send entries again: devices ask for what they lack.

use std::collections::{BTreeSet, HashMap};

use platform::shutdown::Shutdown;
use proto::bus::{FrameClass, FramePush, Push, PushBatch, push::Body};
use proto::common::GatewayRef;
use proto::frame::server::{Pong, ServerFrame};
use proto::id::UserId;

use super::locate::Located;
use super::missed_pushes::{Kept, LostAnswer};
use super::parts::DeliveryParts;
use crate::{planted, retry};

/// Runs until stopping has begun.
pub(crate) async fn run(parts: DeliveryParts, shutdown: Shutdown) {
    let mut backoff = retry::backoff();
    loop {
        if parts.missed.is_idle() {
            backoff.reset();
            tokio::select! {
                () = parts.missed.changed() => {}
                () = shutdown.begun() => return,
            }
        }
        if !round(&parts).await {
            tokio::select! {
                () = tokio::time::sleep(backoff.next_delay()) => {}
                () = shutdown.begun() => return,
            }
        }
    }
}

/// One round. False when something is left to do later.
async fn round(parts: &DeliveryParts) -> bool {
    let (users, answers) = parts.missed.take();
    let mut wanted: BTreeSet<UserId> = users.iter().cloned().collect();
    wanted.extend(answers.iter().map(|(_, answer)| answer.user_id.clone()));
    let wanted: Vec<UserId> = wanted.into_iter().collect();
    // With nobody to look up, the next batch finds out whether presence answers again.
    let located = match parts.directory.locate(&wanted, "").await {
        Ok(located) => located,
        Err(error) => {
            tracing::debug!(%error, users = wanted.len(), "presence does not answer yet");
            parts.missed.add(users, []);
            parts.missed.put_back(answers);
            return false;
        }
    };
    parts.missed.directory_is_back();
    let (moved, missing) = follow(answers, &located);
    let mut pushes: HashMap<usize, Vec<Push>> = HashMap::new();
    for (gateway, answer) in moved {
        pushes.entry(gateway).or_default().push(answer.push);
    }
    let are_told = heads(parts, &users, &located, &mut pushes).await;
    parts.missed.put_back(missing);
    let mut is_done = are_told;
    for (gateway, pushes) in pushes {
        let gateway = &located.gateways[gateway];
        if parts.bus.publish_pushes(gateway, PushBatch { pushes }).await.is_err() {
            is_done = false;
            parts.missed.add(users_at(&users, &located, gateway), []);
        }
    }
    is_done && !parts.missed.has_answers()
}

/// Connection numbers are never used twice, so the number alone finds the connection again.
fn follow(answers: Kept, located: &Located) -> (Vec<(usize, LostAnswer)>, Kept) {
    let (mut moved, mut missing) = (Vec::new(), Vec::new());
    for (since, answer) in answers {
        let devices = located.devices.get(&answer.user_id).into_iter().flatten();
        let found = devices.into_iter().find(|device| device.connection == answer.connection);
        match found {
            Some(device) => moved.push((device.gateway, answer)),
            None => missing.push((since, answer)),
        }
    }
    (moved, missing)
}

/// Adds a `pong` with the present heads for every connected device. False when they cannot be read.
async fn heads(
    parts: &DeliveryParts,
    users: &[UserId],
    located: &Located,
    pushes: &mut HashMap<usize, Vec<Push>>,
) -> bool {
    if planted::HEADS_NOT_TOLD_AGAIN {
        return true;
    }
    let online: Vec<UserId> =
        users.iter().filter(|user| located.devices.contains_key(*user)).cloned().collect();
    if online.is_empty() {
        return true;
    }
    let digests = match parts.store.head_digests(&online).await {
        Ok(digests) => digests,
        Err(error) => {
            tracing::debug!(%error, "heads cannot be told yet");
            parts.missed.add(online, []);
            return false;
        }
    };
    for (user, digest) in online.iter().zip(digests) {
        // Only the gateway knows who has asked for the second; nobody minds it.
        let (heads, heads2) = (Some(digest.value()), Some(digest.value_with_entries()));
        let pong = Pong { heads, heads2, ..Pong::default() };
        let frame = ServerFrame::Pong(pong).to_json();
        for device in located.devices.get(user).into_iter().flatten() {
            let push = Body::Frame(FramePush {
                connections: vec![device.connection],
                frame: frame.clone(),
                class: FrameClass::Receipt as i32,
            });
            pushes.entry(device.gateway).or_default().push(push.into());
        }
    }
    true
}

fn users_at(users: &[UserId], located: &Located, gateway: &GatewayRef) -> Vec<UserId> {
    let is_there = |user: &&UserId| {
        let devices = located.devices.get(*user).into_iter().flatten();
        devices.into_iter().any(|device| &located.gateways[device.gateway] == gateway)
    };
    users.iter().filter(is_there).cloned().collect()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proto::common::DeviceType;

    use super::super::locate::Device;
    use super::*;

    fn user(name: &str) -> UserId {
        UserId::parse_qualified(name).unwrap()
    }

    fn lost(name: &str, connection: u64) -> LostAnswer {
        LostAnswer { user_id: user(name), connection, push: Push::default() }
    }

    #[test]
    fn an_answer_follows_its_connection_and_no_other_of_the_same_user() {
        let device = |connection| Device { gateway: 0, connection, device_type: DeviceType::Web };
        let located = Located {
            gateways: vec![GatewayRef { id: "g".to_owned(), epoch: 2 }],
            devices: HashMap::from([(user("ann"), vec![device(7), device(8)])]),
        };
        let answers = vec![(Instant::now(), lost("ann", 8)), (Instant::now(), lost("ann", 9))];
        let (moved, missing) = follow(answers, &located);
        assert_eq!(moved.iter().map(|(_, answer)| answer.connection).collect::<Vec<_>>(), [8]);
        assert_eq!(missing.iter().map(|(_, answer)| answer.connection).collect::<Vec<_>>(), [9]);
    }
}
