//! The contract of the bus: what the port promises, held against every adapter. What only a broker
//! can do, and why it is used as it is, stands in `broker`.
//!
//! Not here, because they would disturb everybody else on the broker: its restart and its alarms.
//! They want a broker of their own.
#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]

mod acknowledging;
mod broadcasting;
mod broker;
mod cancelling;
mod closing;
mod depths;
mod eventing;
mod nudging;
mod ordering;
mod prefetching;
mod publishing;
mod redelivery;
mod rig;
mod takeover;
mod vhost;

/// Makes each function a test of each adapter.
macro_rules! contract {
    ($($module:ident: $($name:ident),+;)+) => {
        contract!(@adapter in_process InProcess $($module: $($name),+;)+);
        contract!(@adapter rabbitmq_classic Classic $($module: $($name),+;)+);
        contract!(@adapter rabbitmq_quorum Quorum $($module: $($name),+;)+);
    };
    (@adapter $adapter:ident $kind:ident $($module:ident: $($name:ident),+;)+) => {
        mod $adapter {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    crate::$module::$name(crate::rig::Kind::$kind).await;
                }
            )+)+
        }
    };
}

contract! {
    ordering:
        batches_arrive_whole_and_in_order,
        lanes_and_partitions_do_not_mix,
        pushes_arrive_whole_and_in_order,
        publishers_beside_each_other_each_keep_their_order,
        a_batch_of_megabytes_arrives_whole,
        traces_travel_with_frames_and_pushes;
    prefetching:
        a_consumer_holds_no_more_than_its_prefetch,
        a_consumer_that_asks_for_nothing_still_gets_one;
    redelivery:
        what_a_dead_consumer_held_comes_again_in_order_before_the_rest,
        a_yield_gives_the_unfinished_back_in_order,
        a_yield_to_a_waiting_consumer_keeps_the_order,
        two_hundred_yields_lose_nothing,
        what_was_acknowledged_does_not_come_again;
    takeover:
        one_consumer_at_a_time_is_active,
        the_next_takes_over_within_a_second_of_a_death,
        the_next_takes_over_within_a_second_of_a_yield,
        a_waiting_consumer_that_leaves_changes_nothing;
    publishing:
        what_was_confirmed_waits_for_its_consumer,
        a_push_to_nobody_is_unroutable,
        a_thousand_pushes_at_once_each_learn_their_own_outcome,
        a_gateway_that_leaves_is_unroutable_within_a_second,
        a_gateway_that_dies_is_unroutable_within_a_second,
        a_gateway_that_comes_back_has_another_address,
        a_full_gateway_refuses,
        a_full_partition_refuses_until_there_is_room,
        a_partition_beyond_the_last_is_nobodys;
    broadcasting:
        every_gateway_hears_a_broadcast_once_and_in_order,
        a_broadcast_to_nobody_is_unroutable,
        a_full_bulk_queue_drops_its_oldest_and_refuses_nobody,
        a_broadcast_waits_behind_no_push_and_no_push_behind_it,
        a_gateway_that_leaves_hears_nothing_more_and_the_others_go_on,
        an_urgent_push_waits_behind_no_other_and_reaches_one_gateway_or_all;
    nudging:
        a_nudge_wakes_everybody_who_listens,
        many_nudges_that_nobody_heard_are_few,
        a_nudge_to_nobody_is_no_error;
    eventing:
        events_that_nobody_reads_are_unroutable,
        events_reach_those_who_listen_for_their_type;
    acknowledging:
        acknowledgements_may_come_twice_and_out_of_turn,
        an_acknowledgement_never_reaches_beyond_what_was_delivered,
        late_acknowledgements_are_harmless;
    cancelling:
        a_dropped_next_takes_no_batch,
        a_dropped_next_takes_no_push,
        a_dropped_publish_harms_no_other,
        a_dropped_join_does_not_hold_the_partition;
    depths:
        what_waits_is_counted_by_partition_and_what_is_taken_is_not,
        asking_takes_nothing_and_disturbs_no_consumer,
        a_question_about_no_partition_fails_alone;
    closing:
        a_closed_bus_says_so_to_every_call,
        consumers_end_when_the_bus_is_closed;
}
