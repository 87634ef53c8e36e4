//! How good a client's network is, from its heartbeats: how long they take there and back, and how many
//! are lost. A pure rule: it has no clock and changes nothing by itself.
//!
//! Both are smoothed, so that one odd heartbeat is no change, and what got worse must come a quarter
//! below the threshold before it counts as better, so that it does not flap around it.

pub mod config;

use std::time::Duration;

use proto::frame::server::Quality;

pub use config::NetworkConfig;

/// What has been seen of one network.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Smoothed, in microseconds; none before the first answer.
    rtt_us: Option<u64>,
    /// Smoothed, in a millionth.
    lost_ppm: u64,
    quality: Option<Quality>,
}

/// Weight of what was seen before, of the next heartbeat: 3 to 1.
fn smoothed(before: u64, now: u64) -> u64 {
    (before.saturating_mul(3).saturating_add(now)) / 4
}

impl Meter {
    /// A heartbeat was answered after so long.
    pub(crate) fn answered(&mut self, rtt: Duration, config: &NetworkConfig) -> Quality {
        let rtt_us = u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX);
        self.rtt_us = Some(self.rtt_us.map_or(rtt_us, |before| smoothed(before, rtt_us)));
        self.lost_ppm = smoothed(self.lost_ppm, 0);
        self.judge(config)
    }

    /// A heartbeat was not answered before the next.
    pub(crate) fn lost(&mut self, config: &NetworkConfig) -> Quality {
        self.lost_ppm = smoothed(self.lost_ppm, 1_000_000);
        self.judge(config)
    }

    fn judge(&mut self, config: &NetworkConfig) -> Quality {
        let rtt_us = self.rtt_us.unwrap_or(0);
        let is_at = |quality, rtt_ms: u64, lost_percent: u32| {
            // Who is there already leaves only a quarter below.
            let is_there = self.quality.is_some_and(|now| now >= quality);
            let enough = |threshold: u64| if is_there { threshold / 4 * 3 } else { threshold };
            rtt_us >= enough(rtt_ms.saturating_mul(1_000))
                || self.lost_ppm >= enough(u64::from(lost_percent) * 10_000)
        };
        let quality = if is_at(Quality::Poor, config.poor_rtt_ms, config.poor_lost_percent) {
            Quality::Poor
        } else if is_at(Quality::Fair, config.fair_rtt_ms, config.fair_lost_percent) {
            Quality::Fair
        } else {
            Quality::Good
        };
        self.quality = Some(quality);
        quality
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn config() -> NetworkConfig {
        NetworkConfig::default()
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// How often the quality was another than before.
    fn changes(heard: impl IntoIterator<Item = Quality>) -> usize {
        let heard: Vec<_> = heard.into_iter().collect();
        heard.windows(2).filter(|pair| pair[0] != pair[1]).count()
    }

    #[test]
    fn the_first_answer_decides_at_once() {
        for (rtt, quality) in [
            (20, Quality::Good),
            (299, Quality::Good),
            (300, Quality::Fair),
            (1_000, Quality::Poor),
        ] {
            assert_eq!(Meter::default().answered(ms(rtt), &config()), quality);
        }
    }

    #[test]
    fn one_slow_heartbeat_of_a_good_network_changes_nothing() {
        let mut meter = Meter::default();
        meter.answered(ms(30), &config());
        assert_eq!(meter.answered(ms(900), &config()), Quality::Good);
        assert_eq!(meter.answered(ms(30), &config()), Quality::Good);
    }

    #[test]
    fn lost_heartbeats_make_a_quick_network_weak_until_answers_come_again() {
        let mut meter = Meter::default();
        meter.answered(ms(30), &config());
        assert_eq!(meter.lost(&config()), Quality::Fair);
        assert_eq!(meter.lost(&config()), Quality::Poor);
        let again: Vec<_> = (0..8).map(|_| meter.answered(ms(30), &config())).collect();
        assert_eq!(again.last(), Some(&Quality::Good));
        assert!(again.is_sorted_by(|before, after| before >= after), "{again:?}");
    }

    proptest! {
        #[test]
        fn whatever_it_was_it_becomes_what_the_network_is(
            before in prop::collection::vec(prop::option::of(0_u64..20_000), 0..50),
            (now, quality) in prop_oneof![
                (0_u64..200).prop_map(|rtt| (rtt, Quality::Good)),
                (310_u64..700).prop_map(|rtt| (rtt, Quality::Fair)),
                (1_100_u64..50_000).prop_map(|rtt| (rtt, Quality::Poor)),
            ],
        ) {
            let mut meter = Meter::default();
            for heartbeat in before {
                match heartbeat {
                    Some(rtt) => meter.answered(ms(rtt), &config()),
                    None => meter.lost(&config()),
                };
            }
            for _ in 0..40 {
                meter.answered(ms(now), &config());
            }
            prop_assert_eq!(meter.answered(ms(now), &config()), quality);
        }

        #[test]
        fn it_does_not_flap_around_a_threshold(
            at in prop_oneof![Just(300_u64), Just(1_000)],
            swings in prop::collection::vec(-12_i64..=12, 1..200),
        ) {
            let mut meter = Meter::default();
            let heard = swings.into_iter().map(|percent| {
                let rtt = at.checked_add_signed(at as i64 * percent / 100).unwrap_or(0);
                meter.answered(ms(rtt), &config())
            });
            prop_assert!(changes(heard.collect::<Vec<_>>()) <= 1, "it may get worse once, and stay so");
        }

        #[test]
        fn a_slower_network_is_never_judged_better(
            rtts in prop::collection::vec((0_u64..5_000, 0_u64..5_000), 1..60),
        ) {
            let (mut quick, mut slow) = (Meter::default(), Meter::default());
            for (rtt, more) in rtts {
                let quicker = quick.answered(ms(rtt), &config());
                prop_assert!(quicker <= slow.answered(ms(rtt + more), &config()));
            }
        }

        #[test]
        fn any_durations_and_thresholds_are_judged(
            rtts in prop::collection::vec(any::<u64>(), 0..20), numbers in any::<[u64; 2]>(),
            percents in any::<[u32; 2]>(),
        ) {
            let config = NetworkConfig {
                fair_rtt_ms: numbers[0],
                poor_rtt_ms: numbers[1],
                fair_lost_percent: percents[0],
                poor_lost_percent: percents[1],
                ..config()
            };
            let mut meter = Meter::default();
            for rtt in rtts {
                meter.answered(ms(rtt), &config);
                meter.lost(&config);
            }
        }
    }
}
