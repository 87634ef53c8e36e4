//! A few gateways behind several kinds of balancers, in steps of a quarter of a second.

use proptest::prelude::*;

use super::*;

const STEP: Duration = Duration::from_millis(250);
/// How often gateways say what they carry, in steps.
const HEARTBEAT: u64 = 12;
const COUNTED_AFTER: Duration = Duration::from_secs(7);
/// How long a client takes to connect again, in steps.
const AWAY: u64 = 3;

fn config() -> RebalanceConfig {
    RebalanceConfig::default()
}

fn view(own: u64, others: &[u64]) -> View {
    let others = others.iter().map(|it| Carried { connections: *it, takes: true }).collect();
    View { own, others }
}

/// How a balancer chooses.
#[derive(Debug, Clone, Copy)]
enum Balancer {
    Turns,
    Fewest,
}

struct World {
    open: Vec<u64>,
    told: Vec<u64>,
    shedding: Vec<Shedding>,
    away: VecDeque<(u64, u64)>,
    balancer: Balancer,
    /// Connections that the balancer has given to a gateway.
    turns: usize,
    step: u64,
    began: Instant,
    moved: u64,
    last_move: u64,
    most_a_minute: u64,
    /// The most that each had at a time.
    highest: Vec<u64>,
    moves: VecDeque<(u64, u64)>,
}

impl World {
    fn new(open: Vec<u64>, balancer: Balancer) -> Self {
        Self {
            told: open.clone(),
            highest: open.clone(),
            shedding: open.iter().map(|_| Shedding::new(config(), COUNTED_AFTER)).collect(),
            open,
            away: VecDeque::new(),
            balancer,
            turns: 0,
            step: 0,
            began: Instant::now(),
            moved: 0,
            last_move: 0,
            most_a_minute: 0,
            moves: VecDeque::new(),
        }
    }

    fn run(&mut self, time: Duration) {
        for _ in 0..time.as_millis() / STEP.as_millis() {
            self.advance();
        }
    }

    fn advance(&mut self) {
        self.step += 1;
        let now = self.began + STEP * self.step as u32;
        for at in 0..self.open.len() {
            // They do not speak at the same moment.
            if (self.step + at as u64).is_multiple_of(HEARTBEAT) {
                self.told[at] = self.open[at];
            }
            let others: Vec<u64> =
                (0..self.told.len()).filter(|it| *it != at).map(|it| self.told[it]).collect();
            let count = self.shedding[at].step(Some(&view(self.open[at], &others)), now);
            self.open[at] -= count;
            if count > 0 {
                self.away.push_back((self.step + AWAY, count));
                self.moves.push_back((self.step, count));
                self.moved += count;
                self.last_move = self.step;
            }
        }
        while self.away.front().is_some_and(|(back, _)| *back <= self.step) {
            let (_, count) = self.away.pop_front().unwrap();
            for _ in 0..count {
                self.connect();
            }
        }
        while self.moves.front().is_some_and(|(at, _)| *at + 240 <= self.step) {
            self.moves.pop_front();
        }
        let a_minute = self.moves.iter().map(|(_, count)| count).sum();
        self.most_a_minute = self.most_a_minute.max(a_minute);
    }

    fn connect(&mut self) {
        let at = match self.balancer {
            Balancer::Turns => {
                self.turns += 1;
                self.turns % self.open.len()
            }
            Balancer::Fewest => {
                let fewest = (0..self.open.len()).min_by_key(|at| self.open[*at]);
                fewest.unwrap()
            }
        };
        self.open[at] += 1;
        self.highest[at] = self.highest[at].max(self.open[at]);
    }

    fn mean(&self) -> u64 {
        self.open.iter().sum::<u64>() / self.open.len() as u64
    }
}

#[test]
fn two_new_gateways_have_their_share_within_minutes_and_nothing_moves_afterwards() {
    for balancer in [Balancer::Turns, Balancer::Fewest] {
        let mut world = World::new(vec![20_000, 20_000, 0, 0], balancer);
        world.run(Duration::from_mins(10));
        let (low, high) = (world.open.iter().min().unwrap(), world.open.iter().max().unwrap());
        assert!(*low >= 9_000 && *high <= 11_000, "{balancer:?}: {:?}", world.open);
        assert!(world.moved <= 48_000, "{balancer:?}: {} of 40,000 connections", world.moved);
        // 20 % a minute of 20,000, at each of the two.
        assert!(world.most_a_minute <= 8_100, "{}", world.most_a_minute);
        let (moved, open) = (world.moved, world.open.clone());
        world.run(Duration::from_hours(1));
        assert_eq!((world.moved, world.open), (moved, open), "{balancer:?}");
    }
}

#[test]
fn little_installs_and_even_ones_are_left_alone() {
    for open in [vec![60, 0], vec![49, 0, 0], vec![1_240, 1_000, 760], vec![0, 0], vec![7]] {
        let mut world = World::new(open.clone(), Balancer::Fewest);
        world.run(Duration::from_mins(5));
        assert_eq!(world.open, open);
    }
}

#[test]
fn nothing_is_moved_where_nobody_has_room() {
    let mut shedding = Shedding::new(config(), COUNTED_AFTER);
    let full = |connections| Carried { connections, takes: false };
    let view = View { own: 1_000, others: vec![full(100), full(0)] };
    assert!(!view.is_overfull(&config()));
    let began = Instant::now();
    let moved: u64 = (0..1_000).map(|at| shedding.step(Some(&view), began + STEP * at)).sum();
    assert_eq!(moved, 0);
}

#[test]
fn while_it_is_not_known_what_others_carry_nothing_is_moved_and_nothing_is_made_up_for() {
    let mut shedding = Shedding::new(config(), COUNTED_AFTER);
    let (view, began) = (view(6_000, &[0]), Instant::now());
    // 20 a second.
    let at = |step| began + STEP * step;
    let mut sum = |steps: std::ops::Range<u32>, view: Option<&View>| -> u64 {
        steps.map(|step| shedding.step(view, at(step))).sum()
    };
    assert_eq!(sum(0..28, Some(&view)), 0, "the others may have counted before");
    assert_eq!(sum(28..32, Some(&view)), 20);
    assert_eq!(sum(32..400, None), 0);
    assert_eq!(sum(400..428, Some(&view)), 0);
    assert_eq!(sum(428..429, Some(&view)), 5);
    assert_eq!(sum(4_000..4_001, Some(&view)), 20, "a late step makes no burst");
}

#[test]
fn where_many_come_everywhere_at_once_nobody_has_too_many() {
    let mut world = World::new(vec![0, 0, 0], Balancer::Turns);
    for number in 0..60_000 {
        world.connect();
        // 2,000 a second at each: in a heartbeat more than the least excess.
        if number % 1_500 == 0 {
            world.advance();
        }
    }
    world.run(Duration::from_mins(2));
    assert_eq!(world.moved, 0, "{:?}", world.open);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the gateways begin with: the rate is kept, nobody who moves ends below the mean, and it ends.
    #[test]
    fn no_gateway_moves_below_the_mean_and_it_ends(
        open in prop::collection::vec(0u64..3_000, 2..7),
        is_in_turns: bool,
    ) {
        let balancer = if is_in_turns { Balancer::Turns } else { Balancer::Fewest };
        let (before, total) = (open.clone(), open.iter().sum::<u64>());
        let mut world = World::new(open, balancer);
        world.run(Duration::from_mins(30));
        prop_assert_eq!(world.open.iter().sum::<u64>(), total);
        prop_assert!(world.step - world.last_move > 240, "it goes on: {:?}", world.open);
        // A fifth of each, and the second that a step may make up for.
        let rate: u64 = world.highest.iter().map(|it| it / 5 + it / 300 + 2).sum();
        prop_assert!(world.most_a_minute <= rate, "{} > {rate}", world.most_a_minute);
        let mean = world.mean();
        for (at, open) in world.open.iter().enumerate() {
            if before[at] > mean {
                prop_assert!(*open + 2 >= mean.min(before[at]), "{before:?} -> {:?}", world.open);
            }
        }
        let most = world.open.iter().max().unwrap();
        prop_assert!(*most <= (mean * 5).div_ceil(4) + 52, "{before:?} -> {:?}", world.open);
    }
}
