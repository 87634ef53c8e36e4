//! Turns announcements and places into one batch of pushes for each gateway. No I/O.

use std::collections::{BTreeSet, HashMap};

use proto::bus::{FrameClass, FramePush, OwnStatus, Push, push::Body};
use proto::common::GatewayRef;
use proto::frame::server::{Presence, ServerFrame};
use proto::id::UserId;

use crate::domain::announce::{Event, for_contacts, for_own_devices};
use crate::domain::pending::Announcement;
use crate::store::Located;

/// One user's change and those who are told of it now.
pub(crate) struct Telling<'a> {
    pub(crate) told: &'a Announcement,
    /// Who shares a conversation with the user.
    pub(crate) contacts: &'a [UserId],
    /// When the user was here is told nobody.
    pub(crate) hides_last_seen: bool,
}

impl Telling<'_> {
    fn for_own_devices(&self) -> Option<Event> {
        for_own_devices(self.told.own_before, self.told.after)
    }

    fn for_contacts(&self) -> Option<Event> {
        for_contacts(self.told.before, self.told.after)
    }
}

/// Everybody who may have to be told something, each once.
pub(crate) fn listeners(tellings: &[Telling<'_>]) -> Vec<UserId> {
    let mut listeners = BTreeSet::new();
    for telling in tellings {
        if telling.for_own_devices().is_some() {
            listeners.insert(&telling.told.user_id);
        }
        if telling.for_contacts().is_some() {
            listeners.extend(telling.contacts);
        }
    }
    listeners.into_iter().cloned().collect()
}

/// The pushes of each gateway that has somebody to tell.
pub(crate) fn pushes(
    tellings: &[Telling<'_>],
    listeners: &[UserId],
    located: &Located,
) -> Vec<(GatewayRef, Vec<Push>)> {
    let places = Places::new(listeners, located);
    let mut pushes: Vec<Vec<Push>> = vec![Vec::new(); located.gateways.len()];
    for telling in tellings {
        let Telling { told, contacts, hides_last_seen } = telling;
        if let Some(event) = telling.for_contacts() {
            let others = contacts.iter().filter(|contact| **contact != told.user_id);
            places.add(
                &mut pushes,
                others,
                told,
                &frame_for_contacts(told, event, *hides_last_seen),
                |_, _| true,
            );
        }
        if let Some(event) = telling.for_own_devices() {
            let is_other = |gateway: &(String, u64), connection| {
                told.by.as_ref().is_none_or(|by| {
                    by.connection != connection
                        || by.gateway.epoch != gateway.1
                        || by.gateway.id.as_str() != gateway.0
                })
            };
            let own = std::iter::once(&told.user_id);
            places.add(&mut pushes, own, told, &frame_for_own_devices(told, event), is_other);
            if told.own_before.chosen != told.after.chosen {
                places.add_own_status(&mut pushes, told);
            }
        }
    }
    located
        .gateways
        .iter()
        .zip(pushes)
        .filter(|(_, pushes)| !pushes.is_empty())
        .map(|((id, epoch), pushes)| (GatewayRef { id: id.clone(), epoch: *epoch }, pushes))
        .collect()
}

/// Where each listener's connections stand in the columns.
struct Places<'a> {
    located: &'a Located,
    ranges: HashMap<&'a UserId, std::ops::Range<usize>>,
}

impl<'a> Places<'a> {
    fn new(listeners: &'a [UserId], located: &'a Located) -> Self {
        let mut start = 0;
        let ranges = listeners
            .iter()
            .zip(&located.device_counts)
            .map(|(listener, count)| {
                let range = start..start + *count as usize;
                start = range.end;
                (listener, range)
            })
            .collect();
        Self { located, ranges }
    }

    /// Adds one push to each gateway where any of these listeners has a connection that counts.
    fn add<'b>(
        &self,
        pushes: &mut [Vec<Push>],
        listeners: impl Iterator<Item = &'b UserId>,
        told: &Announcement,
        frame: &bytes::Bytes,
        counts: impl Fn(&(String, u64), u64) -> bool,
    ) {
        debug_assert!(told.before != told.after, "only differences wait to be told");
        for (gateway, connections) in self.connections(listeners, counts) {
            let (frame, class) = (frame.clone(), FrameClass::Ephemeral as i32);
            let push = Body::Frame(FramePush { connections, frame, class });
            pushes[gateway].push(push.into());
        }
    }

    /// Tells the gateways of the user's own connections what was chosen.
    fn add_own_status(&self, pushes: &mut [Vec<Push>], told: &Announcement) {
        for (gateway, connections) in self.connections(std::iter::once(&told.user_id), |_, _| true)
        {
            let status = told.after.chosen.as_str().to_owned();
            pushes[gateway].push(Body::OwnStatus(OwnStatus { connections, status }).into());
        }
    }

    /// By gateway, the connections of these listeners that count.
    fn connections<'b>(
        &self,
        listeners: impl Iterator<Item = &'b UserId>,
        counts: impl Fn(&(String, u64), u64) -> bool,
    ) -> HashMap<usize, Vec<u64>> {
        let mut connections: HashMap<usize, Vec<u64>> = HashMap::new();
        for listener in listeners {
            let Some(range) = self.ranges.get(listener) else { continue };
            for place in range.clone() {
                let gateway = self.located.gateway_indexes[place] as usize;
                let connection = self.located.connections[place];
                if counts(&self.located.gateways[gateway], connection) {
                    connections.entry(gateway).or_default().push(connection);
                }
            }
        }
        connections
    }
}

fn frame_for_contacts(told: &Announcement, event: Event, hides_last_seen: bool) -> bytes::Bytes {
    let is_told = !told.after.is_visible() && told.last_seen_ms > 0 && !hides_last_seen;
    let last_seen = is_told.then_some(told.last_seen_ms);
    let (status, devices) = (told.after.status().as_str(), told.after.told_devices());
    frame(told, status, last_seen, devices, event)
}

/// One's own devices are told what was chosen, `invisible` included.
fn frame_for_own_devices(told: &Announcement, event: Event) -> bytes::Bytes {
    frame(told, told.after.chosen.as_str(), None, told.after.devices, event)
}

fn frame(
    told: &Announcement,
    status: &str,
    last_seen: Option<u64>,
    devices: u32,
    event: Event,
) -> bytes::Bytes {
    let presence = Presence {
        user_id: told.user_id.name(),
        status: status.to_owned(),
        last_seen,
        devices,
        event: event.as_str().to_owned(),
    };
    ServerFrame::Presence(presence).to_json()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::registration::{GatewayEpoch, Place};
    use crate::domain::status::{Chosen, Standing};
    use proto::id::GatewayId;
    use serde_json::Value;

    fn user(id: &str) -> UserId {
        UserId::parse_qualified(id).unwrap()
    }

    fn told(before: (u32, Chosen), after: (u32, Chosen), by: Option<u64>) -> Announcement {
        let standing = |(devices, chosen)| Standing { devices, chosen };
        let gateway = GatewayEpoch { id: GatewayId::parse("g1").unwrap(), epoch: 1 };
        Announcement {
            user_id: user("ann"),
            before: standing(before),
            after: standing(after),
            last_seen_ms: 77,
            by: by.map(|connection| Place { gateway, connection }),
            own_before: standing(before),
            seen_before: standing(before),
            is_partly_told: false,
        }
    }

    /// ann: 1 and 2 at g1; bob: 3 at g1, 4 at g2; cid is nowhere.
    fn composed(told: &Announcement) -> Vec<(String, Vec<u64>, Value)> {
        composed_of(told, false)
    }

    fn composed_of(told: &Announcement, hides_last_seen: bool) -> Vec<(String, Vec<u64>, Value)> {
        let contacts = [user("bob"), user("cid")];
        let tellings = [Telling { told, contacts: &contacts, hides_last_seen }];
        let listeners = listeners(&tellings);
        let mut located = Located::default();
        for listener in &listeners {
            let places: &[(&str, u64)] = match listener.as_str() {
                "ann" => &[("g1", 1), ("g1", 2)],
                "bob" => &[("g1", 3), ("g2", 4)],
                _ => &[],
            };
            for (gateway, connection) in places {
                located.push(gateway, 1, *connection, 0);
            }
            located.end_user();
        }
        let mut all: Vec<_> = pushes(&tellings, &listeners, &located)
            .into_iter()
            .flat_map(|(gateway, pushes)| {
                pushes.into_iter().map(move |push| match push.body.unwrap() {
                    Body::Frame(push) => {
                        assert_eq!(push.class(), FrameClass::Ephemeral);
                        let frame = serde_json::from_slice(&push.frame).unwrap();
                        (gateway.id.clone(), push.connections, frame)
                    }
                    // Sockets hear nothing of it.
                    Body::OwnStatus(own) => {
                        (gateway.id.clone(), own.connections, Value::from(own.status))
                    }
                    other => panic!("{other:?}"),
                })
            })
            .collect();
        all.sort_by(|one, other| (&one.0, &one.1).cmp(&(&other.0, &other.1)));
        all
    }

    #[test]
    fn each_gateway_gets_one_push_for_the_contacts_it_has() {
        let all = composed(&told((0, Chosen::Online), (1, Chosen::Online), Some(1)));
        let places: Vec<_> = all.iter().map(|(gateway, at, _)| (gateway.as_str(), &**at)).collect();
        assert_eq!(places, [("g1", &[3][..]), ("g2", &[4][..])]);
        assert_eq!(all[0].2["event"], "user_online");
        assert_eq!(all[0].2["type"], "presence");
        assert!(all[0].2.get("last_seen").is_none());
    }

    #[test]
    fn the_user_s_other_devices_are_told_but_not_the_one_that_did_it() {
        let all = composed(&told((1, Chosen::Online), (2, Chosen::Online), Some(2)));
        let own: Vec<_> = all.iter().filter(|(_, at, _)| at == &[1]).collect();
        assert_eq!(own.len(), 1);
        assert_eq!(own[0].2["event"], "device_connected");
        assert!(all.iter().all(|(_, at, _)| !at.contains(&2)));
    }

    #[test]
    fn when_somebody_was_here_is_not_told_where_they_hide_it() {
        let gone = told((1, Chosen::Online), (0, Chosen::Online), None);
        let of = |hides| composed_of(&gone, hides).remove(0).2;
        assert_eq!(of(false)["last_seen"], 77);
        assert_eq!((&of(true)["status"], of(true).get("last_seen")), (&"offline".into(), None));
    }

    #[test]
    fn contacts_see_the_invisible_as_offline_and_own_devices_see_the_choice() {
        let all = composed(&told((2, Chosen::Online), (2, Chosen::Invisible), Some(2)));
        let frame = |connection| &all.iter().find(|(_, at, _)| at == &[connection]).unwrap().2;
        assert_eq!(frame(3)["status"], "offline");
        assert_eq!((&frame(3)["event"], &frame(3)["devices"]), (&"user_offline".into(), &0.into()));
        assert_eq!(frame(3)["last_seen"], 77);
        assert_eq!(frame(1)["status"], "invisible");
        assert_eq!(frame(1)["event"], "status_changed");
        let of_gateway = all.iter().find(|(_, _, frame)| frame.is_string()).unwrap();
        assert_eq!((&of_gateway.1, &of_gateway.2), (&vec![1, 2], &"invisible".into()));
    }
}
