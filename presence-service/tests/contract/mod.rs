//! The presence store's contract: one function a guarantee, run against every adapter.

pub mod accounts;
pub mod choices;
pub mod leases;
pub mod limits;
pub mod listing;
pub mod loads;
pub mod reports;
pub mod rivals;
pub mod sessions;
pub mod spending;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use presence_service::domain::account::{HeartbeatOutcome, Tally};
use presence_service::domain::client::Client;
use presence_service::domain::registration::{
    Cause, Change, Connected, DeviceType, Disconnected, GatewayEpoch,
};
use presence_service::domain::status::{Chosen, Standing, Status};
use presence_service::store::{Choice, LeaseConfig, PresenceStore, Report, StoreError, UserState};
use proto::hash::connection_digest;
use proto::id::{DeviceId, GatewayId, UserId};

/// Two replicas over one state.
pub type Replicas = [Arc<dyn PresenceStore>; 2];

/// Connections that a user may have.
pub const MOST: u64 = 16;

/// Short leases, so that their end can be waited for.
pub fn leases() -> LeaseConfig {
    LeaseConfig {
        lease_ms: 400,
        account_ms: 100,
        connections_per_user: MOST as usize,
        ..LeaseConfig::default()
    }
}

/// Far longer than any lease of [`leases`].
const PATIENCE: Duration = Duration::from_secs(10);

fn user(id: &str) -> UserId {
    UserId::parse_qualified(id).unwrap()
}

fn gateway(id: &str, epoch: u64) -> GatewayEpoch {
    GatewayEpoch { id: GatewayId::parse(id).unwrap(), epoch }
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

fn opened(user_id: &str, device: &str, connection: u64) -> Connected {
    Connected {
        user_id: user(user_id),
        device_id: DeviceId::parse(device).unwrap(),
        device_type: DeviceType(1),
        connection,
        connected_at_ms: now_ms(),
        client: Client::default(),
    }
}

fn closed(user_id: &str, connection: u64) -> Disconnected {
    Disconnected { user_id: user(user_id), connection }
}

fn report(
    gateway: &GatewayEpoch,
    connected: Vec<Connected>,
    disconnected: Vec<Disconnected>,
) -> Report {
    Report { gateway: gateway.clone(), is_snapshot: false, connected, disconnected }
}

fn snapshot(gateway: &GatewayEpoch, connected: Vec<Connected>) -> Report {
    Report { gateway: gateway.clone(), is_snapshot: true, connected, disconnected: Vec::new() }
}

fn tally(connections: &[(&str, u64)]) -> Tally {
    let mut tally = Tally::default();
    for (user_id, connection) in connections {
        tally.add(connection_digest(user_id, *connection));
    }
    tally
}

/// Of each user, (gateway, epoch, connection), sorted.
async fn places(store: &dyn PresenceStore, users: &[&str]) -> Vec<Vec<(String, u64, u64)>> {
    let users: Vec<UserId> = users.iter().map(|id| user(id)).collect();
    let located = store.locate(&users).await.unwrap();
    let mut columns = located.gateway_indexes.iter().zip(&located.connections);
    located
        .device_counts
        .iter()
        .map(|count| {
            let mut places: Vec<_> = columns
                .by_ref()
                .take(*count as usize)
                .map(|(index, connection)| {
                    let (id, epoch) = located.gateways[*index as usize].clone();
                    (id, epoch, *connection)
                })
                .collect();
            places.sort();
            places
        })
        .collect()
}

async fn connections(store: &dyn PresenceStore, user_id: &str) -> Vec<u64> {
    places(store, &[user_id]).await.remove(0).into_iter().map(|(_, _, at)| at).collect()
}

async fn state(store: &dyn PresenceStore, user_id: &str) -> UserState {
    store.states(&[user(user_id)]).await.unwrap().remove(0)
}

/// Has it known that a user chose to be online: of whom nothing is known others see nothing.
async fn is_known(store: &dyn PresenceStore, user_id: &str) {
    let filled = store.fill_in(&[(user(user_id), Chosen::Online)]).await.unwrap();
    assert!(filled[0].0, "nothing was known of {user_id}");
}

fn devices(change: &Change) -> (String, u32, u32) {
    (change.user_id.to_string(), change.before.devices, change.after.devices)
}

/// Binds every function of the contract to an adapter: `fresh().await` makes the replicas and a keeper
/// whose `remove().await` takes everything away.
macro_rules! contract {
    ($fresh:path; $($part:ident { $($name:ident)* })*) => {
        $($(
            #[tokio::test]
            async fn $name() {
                let (replicas, keeper) = $fresh().await;
                contract::$part::$name(replicas).await;
                keeper.remove().await;
            }
        )*)*
    };
    ($fresh:path) => {
        contract! { $fresh;
            reports {
                what_was_reported_is_located_by_every_replica
                the_newest_connection_of_a_device_replaces_the_older_one
                one_that_claims_to_be_newer_stays_beside_and_counts_as_one_device
                what_is_reported_anew_does_not_displace_another_gateway_s_connection
                a_connection_opened_and_closed_in_one_report_is_gone
                of_concurrent_reports_one_sees_the_first_device_and_one_the_last
                who_comes_back_is_known_to_have_been_away
                what_is_repeated_is_not_done_twice
                a_report_of_thousands_is_taken_and_counted_whole
            }
            accounts {
                an_epoch_that_another_has_followed_is_refused
                what_a_new_epoch_names_again_is_never_absent_and_the_rest_ends
                a_socket_may_close_under_a_later_epoch_than_it_opened
                a_snapshot_heals_what_was_lost_without_making_anybody_vanish
                every_gateway_with_an_account_is_named_until_it_is_ended
                an_unknown_gateway_is_asked_for_everything
            }
            leases {
                a_silent_gateway_ends_once_although_two_replicas_sweep
                a_heartbeat_keeps_a_gateway_and_one_that_was_taken_for_dead_comes_back
                who_moved_to_another_gateway_outlives_the_first_one
                a_gateway_that_signs_off_is_gone_at_once_and_is_no_lost_one
                only_the_present_epoch_signs_off_and_only_once
            }
            rivals {
                a_process_that_starts_again_at_once_has_no_rival
                two_living_processes_with_one_id_are_both_told_until_one_is_silent
            }
            loads {
                what_a_gateway_says_of_its_load_is_known_at_every_replica
                a_gateway_that_leaves_or_is_silent_carries_nothing_any_more
                of_gateways_that_speak_at_once_none_is_lost
            }
            limits {
                of_a_hundred_connections_at_once_no_more_than_allowed_are_taken
                a_refused_connection_is_in_no_account
                a_connection_that_takes_another_s_place_is_no_further_one
                what_a_dead_gateway_had_counts_no_longer_than_its_lease
                what_is_reported_anew_is_not_refused
            }
            sessions {
                a_user_s_sessions_say_where_with_what_and_since_when
            }
            listing {
                every_walk_of_all_connections_gives_each_once_whatever_the_limit
                each_tenant_walks_its_own_connections_alone
                who_stays_is_shown_once_while_others_come_and_go
                a_dead_gateway_s_connections_leave_the_list
            }
            spending {
                what_one_gateway_granted_counts_at_every_other
                what_is_granted_beyond_a_rate_is_owed_but_not_for_ever
                what_was_used_up_is_paid_off_as_time_passes
                of_many_who_spend_at_once_nothing_is_lost
            }
            choices {
                a_choice_lasts_and_is_told_once
                the_last_seen_time_does_not_move_while_invisible
                what_is_filled_in_is_taken_once_and_never_over_a_known_choice
                a_user_without_a_record_is_one_who_never_came
            }
        }
    };
}
