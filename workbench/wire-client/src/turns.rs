//! Spreads work over time: everybody has a turn in each round.

use std::time::Duration;

/// Spreads a round over all evenly.
#[derive(Debug)]
pub struct Turns {
    count: usize,
    round: Duration,
    /// In turns, with the fraction of one.
    owed: f64,
    next: usize,
}

impl Turns {
    /// For so many, each of whom has a turn in a round.
    pub fn new(count: usize, round: Duration) -> Self {
        Self { count, round, owed: 0.0, next: 0 }
    }

    /// Who has a turn after `passed`; nobody twice.
    pub fn due(&mut self, passed: Duration) -> impl Iterator<Item = usize> + use<> {
        self.owed += self.count as f64 * passed.as_secs_f64() / self.round.as_secs_f64().max(1e-3);
        let turns = (self.owed as usize).min(self.count);
        self.owed = (self.owed - turns as f64).min(self.count as f64);
        let (first, count) = (self.next, self.count.max(1));
        self.next = (first + turns) % count;
        (first..first + turns).map(move |at| at % count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_turn_in_each_round() {
        let mut turns = Turns::new(7, Duration::from_secs(1));
        let mut had = [0; 7];
        for _ in 0..50 {
            for at in turns.due(Duration::from_millis(20)) {
                had[at] += 1;
            }
        }
        assert!(had.iter().all(|count| (0..=2).contains(count)), "{had:?}");
        assert!((6..=7).contains(&had.iter().sum::<i32>()), "{had:?}");
    }

    #[test]
    fn nobody_is_no_problem() {
        let round = Duration::from_secs(1);
        assert_eq!(Turns::new(0, round).due(round).count(), 0);
    }
}
