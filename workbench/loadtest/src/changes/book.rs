//! What was asked for, and what was answered, kept for the checker.

use verdict::changes::account::{Answer, Operation, Outcome};

/// Records of a kind that are kept; beyond them nothing more is written.
pub(super) const MOST: usize = 200_000;

/// The records.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) operations: Vec<Operation>,
    pub(super) answers: Vec<Answer>,
    pub(super) doubts: Vec<String>,
}

impl Book {
    /// Notes an operation; its number. `None` when there is no room.
    pub(super) fn ask(&mut self, operation: Operation) -> Option<usize> {
        if self.operations.len() >= MOST {
            return None;
        }
        self.operations.push(operation);
        Some(self.operations.len() - 1)
    }

    /// What became of one.
    pub(super) fn settle(&mut self, number: usize, outcome: Outcome) {
        self.operations[number].outcome = outcome;
    }

    /// Notes an answer with states.
    pub(super) fn answer(&mut self, answer: Answer) {
        if self.answers.len() < MOST {
            self.answers.push(answer);
        }
    }
}
