//! Rates and means of counters, and rows of samples around a threshold.

use proptest::prelude::*;

use super::*;

const BOUNDS: Bounds = Bounds { above: 1.0, below: 0.8, raise_after: 3, clear_after: 2 };

fn changes(samples: &[Sample]) -> Vec<(usize, Change)> {
    let mut state = Hysteresis::default();
    let taken = samples.iter().enumerate();
    taken.filter_map(|(at, it)| Some((at, state.take(*it, &BOUNDS)?))).collect()
}

fn values(values: &[f64]) -> Vec<Sample> {
    values.iter().copied().map(Sample::Value).collect()
}

#[test]
fn an_alert_is_raised_after_bad_samples_in_a_row_and_cleared_after_good_ones_in_a_row() {
    let samples = values(&[2.0, 2.0, 0.0, 2.0, 2.0, 2.0, 2.0, 0.9, 0.0, 2.0, 0.0, 0.7, 0.7, 0.7]);
    assert_eq!(changes(&samples), [(5, Change::Raised), (11, Change::Cleared)]);
}

#[test]
fn a_sample_at_the_threshold_or_between_both_is_neither_bad_nor_good() {
    assert_eq!(changes(&values(&[1.0; 10])), []);
    let mut samples = values(&[1.1; 3]);
    samples.extend(values(&[0.8; 10]));
    assert_eq!(changes(&samples), [(2, Change::Raised)]);
}

#[test]
fn what_is_unknown_says_nothing_and_idleness_clears_and_does_not_raise() {
    let (bad, idle, unknown) = (Sample::Value(2.0), Sample::Idle, Sample::Unknown);
    assert_eq!(changes(&[bad, bad, idle, bad, bad]), []);
    let raised = [bad, unknown, bad, unknown, bad];
    assert_eq!(changes(&raised), [(4, Change::Raised)]);
    let then = [&raised[..], &[unknown; 9], &[idle, unknown, idle]].concat();
    assert_eq!(changes(&then), [(4, Change::Raised), (16, Change::Cleared)]);
}

#[test]
fn too_few_requests_make_no_rate_and_no_mean() {
    let bad = |bad, all| Reading::Bad { bad, all };
    assert_eq!(sample(Some(bad(5, 100)), bad(10, 119), 60.0, 20), Sample::Idle);
    assert_eq!(sample(Some(bad(5, 100)), bad(10, 120), 60.0, 20), Sample::Value(0.25));
    assert_eq!(sample(Some(bad(5, 100)), bad(5, 100), 60.0, 0), Sample::Idle, "not 0 of 0");
    let took = |micros, count| Reading::Took { micros, count };
    assert_eq!(sample(Some(took(0, 0)), took(9_000_000, 3), 60.0, 20), Sample::Idle);
    assert_eq!(sample(Some(took(0, 0)), took(40_000_000, 20), 60.0, 20), Sample::Value(2.0));
}

#[test]
fn rates_and_means_are_those_of_the_interval_whatever_was_before() {
    let took = |micros, count| Reading::Took { micros, count };
    let slow_before = Some(took(90_000_000, 30));
    assert_eq!(sample(slow_before, took(91_000_000, 50), 60.0, 20), Sample::Value(0.05));
    let total = |so_far| Reading::Total(so_far);
    assert_eq!(sample(Some(total(600.0)), total(630.0), 60.0, 20), Sample::Value(0.5));
}

#[test]
fn a_counter_that_begins_anew_makes_no_rate_until_the_next_interval() {
    let bad = |bad, all| Reading::Bad { bad, all };
    assert_eq!(sample(Some(bad(5, 1_000)), bad(0, 30), 60.0, 20), Sample::Unknown);
    assert_eq!(sample(Some(bad(5, 10)), bad(0, 300), 60.0, 20), Sample::Unknown);
    assert_eq!(sample(Some(bad(0, 30)), bad(3, 60), 60.0, 20), Sample::Value(0.1));
    let took = |micros, count| Reading::Took { micros, count };
    assert_eq!(sample(Some(took(9_000, 900)), took(5, 990), 60.0, 20), Sample::Unknown);
    assert_eq!(sample(Some(Reading::Total(9.0)), Reading::Total(1.0), 60.0, 20), Sample::Unknown);
    assert_eq!(sample(None, bad(3, 60), 60.0, 20), Sample::Unknown, "since when?");
}

#[test]
fn a_part_of_nothing_and_what_nobody_can_tell_are_unknown() {
    let part = |used, of| Reading::Part { used, of };
    assert_eq!(sample(None, part(3.0, 4.0), 60.0, 20), Sample::Value(0.75));
    assert_eq!(sample(None, part(3.0, 0.0), 60.0, 20), Sample::Unknown);
    assert_eq!(sample(None, Reading::Level(f64::NAN), 60.0, 20), Sample::Unknown);
    assert_eq!(sample(None, Reading::Unknown, 60.0, 20), Sample::Unknown);
    assert_eq!(
        sample(Some(Reading::Total(1.0)), Reading::Total(2.0), 0.0, 20),
        Sample::Unknown,
        "no time has passed"
    );
}

#[test]
fn a_line_shows_each_figure_in_its_own_unit() {
    let mut line = String::new();
    for (name, now, sample) in [
        ("connections", Reading::Part { used: 12.0, of: 100.0 }, Sample::Value(0.12)),
        ("requests", Reading::Total(7.0), Sample::Value(1.5)),
        ("errors", Reading::Bad { bad: 1, all: 80 }, Sample::Value(0.0125)),
        ("latency", Reading::Took { micros: 1, count: 1 }, Sample::Value(0.0042)),
        ("queue", Reading::Level(7.0), Sample::Value(7.0)),
        ("oldest", Reading::Level(0.25), Sample::Value(0.25)),
        ("quiet", Reading::Bad { bad: 0, all: 0 }, Sample::Idle),
        ("away", Reading::Unknown, Sample::Unknown),
    ] {
        describe(&mut line, name, now, sample);
    }
    assert_eq!(
        line,
        "connections=12/100 requests=1.50/s errors=1.25% latency=4.2ms queue=7 oldest=0.2 quiet=- away=?"
    );
}

fn any_sample() -> impl Strategy<Value = Sample> {
    prop_oneof![
        8 => (0.0..2.0f64).prop_map(Sample::Value),
        1 => Just(Sample::Idle),
        1 => Just(Sample::Unknown),
    ]
}

fn is_bad(sample: &Sample) -> bool {
    matches!(sample, Sample::Value(value) if *value > BOUNDS.above)
}

fn is_good(sample: &Sample) -> bool {
    match sample {
        Sample::Value(value) => *value < BOUNDS.below,
        Sample::Idle | Sample::Unknown => true,
    }
}

proptest! {
    #[test]
    fn values_that_flap_around_the_threshold_raise_it_once(
        high in prop::collection::vec(1.001..5.0f64, 3..4),
        flapping in prop::collection::vec(0.8..5.0f64, 0..200),
    ) {
        let samples = [values(&high), values(&flapping)].concat();
        prop_assert_eq!(changes(&samples), [(2, Change::Raised)]);
    }

    #[test]
    fn raised_and_cleared_take_turns_and_each_has_its_row_of_samples(
        samples in prop::collection::vec(any_sample(), 0..200),
    ) {
        let mut expected = Change::Raised;
        for (at, change) in changes(&samples) {
            prop_assert_eq!(change, expected);
            let said: Vec<_> =
                samples[..=at].iter().rev().filter(|it| **it != Sample::Unknown).collect();
            let is_raised = change == Change::Raised;
            let (row, speaks): (usize, fn(&Sample) -> bool) =
                if is_raised { (3, is_bad) } else { (2, is_good) };
            prop_assert!(said[..row].iter().all(|it| speaks(it)));
            expected = if is_raised { Change::Cleared } else { Change::Raised };
        }
    }

    #[test]
    fn a_sample_is_a_share_of_what_came_in_the_interval_or_none(
        before in (0u64..1_000, 0u64..1_000),
        now in (0u64..1_000, 0u64..1_000),
        least in 0u64..50,
    ) {
        let reading = |(bad, all)| Reading::Bad { bad, all };
        match sample(Some(reading(before)), reading(now), 60.0, least) {
            Sample::Value(value) => {
                prop_assert!(now.1 - before.1 >= least.max(1));
                let share = (now.0 - before.0) as f64 / (now.1 - before.1) as f64;
                prop_assert!((value - share).abs() < 1e-9);
            }
            Sample::Idle => prop_assert!(now.1 - before.1 < least.max(1)),
            Sample::Unknown => prop_assert!(now.0 < before.0 || now.1 < before.1),
        }
    }
}
