//! A rule of docs/protocol.md with its check.

use std::pin::Pin;

use crate::checked::Checked;

/// What a check runs as.
pub(crate) type Checking<'a> = Pin<Box<dyn Future<Output = Checked> + Send + 'a>>;

/// One rule, checked by a `C`.
#[derive(Debug)]
pub(crate) struct Rule<C: 'static> {
    /// Names it in reports.
    pub(crate) name: &'static str,
    /// The anchor of its section in docs/protocol.md.
    pub(crate) section: &'static str,
    /// What it says.
    pub(crate) says: &'static str,
    pub(crate) check: C,
}

/// One row of a table of rules.
macro_rules! rule {
    ($name:literal, $section:literal, $check:path, $says:literal) => {
        $crate::rule::Rule {
            name: $name,
            section: $section,
            says: $says,
            check: |given| Box::pin($check(given)),
        }
    };
}
pub(crate) use rule;

/// Rules as a Markdown table; `who` keeps them.
pub(crate) fn table<C>(who: &str, rules: &[&'static [Rule<C>]]) -> String {
    let mut table = format!("| rule | what {who} does | place |\n|---|---|---|\n");
    for rule in rules.iter().flat_map(|part| part.iter()) {
        let (name, says, section) = (rule.name, rule.says, rule.section);
        let row = format!("| `{name}` | {says} | [{section}](protocol.md#{section}) |\n");
        table.push_str(&row);
    }
    table
}
