//! Everything that is wrong with a configuration: collected while it is read and while a start is prepared, so that
//! all of it is said at once. Must not know what is checked.

use std::error::Error;

use super::ConfigErrors;

/// What was found so far.
#[derive(Debug, Default)]
pub struct Mistakes(Vec<String>);

impl Mistakes {
    /// What was prepared, or none and a line with the reason.
    pub fn keep<T, E>(&mut self, prepared: Result<T, E>) -> Option<T>
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.keep_all(prepared.map_err(|error| [error]))
    }

    /// What was prepared, or none and a line for each reason.
    pub fn keep_all<T, E>(&mut self, prepared: Result<T, impl IntoIterator<Item = E>>) -> Option<T>
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        match prepared {
            Ok(prepared) => Some(prepared),
            Err(errors) => {
                for error in errors {
                    let error: Box<dyn Error + Send + Sync> = error.into();
                    self.add(one_line(error.as_ref()));
                }
                None
            }
        }
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Two parts may need the same thing: what is wrong with it is said once.
    pub(super) fn add(&mut self, line: String) {
        if !self.0.contains(&line) {
            self.0.push(line);
        }
    }
}

impl From<Mistakes> for ConfigErrors {
    fn from(mistakes: Mistakes) -> Self {
        Self(mistakes.0)
    }
}

/// What went wrong and why. Some errors name their cause themselves; it is not said twice.
pub fn one_line(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        cause = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Because {
        text: &'static str,
        source: io::Error,
    }

    fn because(text: &'static str) -> Because {
        Because { text, source: io::Error::other("no such file") }
    }

    #[test]
    fn every_reason_is_a_line_with_its_cause_and_is_said_once() {
        let mut mistakes = Mistakes::default();
        assert_eq!(mistakes.keep(Ok::<_, Because>(3)), Some(3));
        assert!(mistakes.is_empty());
        assert_eq!(mistakes.keep(Err::<(), _>(because("a.file: cannot be read"))), None);
        assert_eq!(mistakes.keep(Err::<(), _>(because("a.file: cannot be read"))), None);
        let more = vec![because("b.file: no such file"), because("c.file")];
        assert_eq!(mistakes.keep_all(Err::<(), _>(more)), None);
        let said = ConfigErrors::from(mistakes).to_string();
        let expected =
            "a.file: cannot be read: no such file\nb.file: no such file\nc.file: no such file";
        assert_eq!(said, expected);
    }
}
