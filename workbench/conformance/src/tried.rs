//! Trying the rules of a table, some at once, and reporting them in the order of the table.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::ConformanceError;
use crate::checked::{Checked, broken};
use crate::report::Ruled;
use crate::rule::Rule;

/// Which rules are tried, and how.
pub(crate) struct Trying<'a> {
    /// Only rules whose name begins so; empty: all.
    pub(crate) only: &'a [String],
    /// Rules that are tried at once.
    pub(crate) parallel: usize,
    /// No check takes longer.
    pub(crate) longest: Duration,
}

/// Tries the rules, each by what `check` gives for it and its number among those tried. Needs a runtime's context.
pub(crate) async fn all<C, F>(
    trying: Trying<'_>,
    rules: &'static [&'static [Rule<C>]],
    check: impl Fn(usize, &'static Rule<C>) -> F,
) -> Result<Vec<Ruled>, ConformanceError>
where
    C: Sync,
    F: Future<Output = Checked> + Send + 'static,
{
    let is_wanted = |rule: &&Rule<C>| {
        trying.only.is_empty() || trying.only.iter().any(|only| rule.name.starts_with(only))
    };
    let mut waiting = rules.iter().flat_map(|part| part.iter()).filter(is_wanted).enumerate();
    let mut running = JoinSet::new();
    let mut ruled = Vec::new();
    loop {
        while running.len() < trying.parallel.max(1)
            && let Some((number, rule)) = waiting.next()
        {
            let (checked, longest) = (check(number, rule), trying.longest);
            running.spawn(async move {
                let began = Instant::now();
                let outcome = tokio::time::timeout(longest, checked).await;
                let outcome = outcome.unwrap_or_else(|_| broken("the check did not end in time"));
                (number, Ruled::new(rule, outcome, began.elapsed()))
            });
        }
        match running.join_next().await {
            Some(Ok(one)) => ruled.push(one),
            Some(Err(error)) => return Err(ConformanceError::Begin(error.to_string())),
            None => break,
        }
    }
    if ruled.is_empty() {
        return Err(ConformanceError::Options("--only: no rule has such a name".to_owned()));
    }
    ruled.sort_by_key(|(number, _)| *number);
    Ok(ruled.into_iter().map(|(_, ruled)| ruled).collect())
}
