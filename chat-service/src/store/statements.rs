//! Reads every statement of this crate, as it stands in the source: one that touches a table of tenants names the tenant,
//! of each table that it touches.

use std::path::Path;

/// Tables whose rows belong to tenants.
const TABLES: [&str; 30] = [
    "users",
    "conversations",
    "members",
    "entries",
    "client_ids",
    "dead_letters",
    "suspects",
    "revocations",
    "device_tokens",
    "chosen_statuses",
    "entry_counts",
    "pins",
    "follower_dead",
    "subscribers",
    "subscriber_blocked",
    "subscriber_dead",
    "audit",
    "message_state",
    "reactions",
    "own_settings",
    "drafts",
    "push_devices",
    "push_sent",
    "push_retries",
    "push_dead",
    "mentions",
    "thread_reads",
    "notices",
    "notice_cursors",
    "notice_receipts",
];
/// What a statement says that is meant for the rows of all tenants.
const OF_ALL: &str = "/* of every tenant */";
/// How many say so: what has ended by itself is forgotten (three), gateways keep one list of revocations, a store has one
/// tail and its followers (six), states of all conversations are verified, one process sends the pushes of all (five),
/// and what is due of notices is claimed, or pushed again.
const MEANT_FOR_ALL: usize = 19;

/// The string literals of a source text, without escapes.
fn literals(source: &str) -> Vec<String> {
    let (mut found, mut current): (Vec<String>, Option<String>) = (Vec::new(), None);
    let mut characters = source.chars().peekable();
    while let Some(c) = characters.next() {
        match (&mut current, c) {
            (Some(_), '"') => found.extend(current.take()),
            (Some(text), '\\') => {
                // A line that goes on, or an escape that no statement has.
                let next = characters.next();
                text.push(if next == Some('\n') { ' ' } else { '?' });
            }
            (Some(text), c) => text.push(c),
            (None, '"') => current = Some(String::new()),
            (None, '/') if characters.peek() == Some(&'/') => {
                while characters.next().is_some_and(|c| c != '\n') {}
            }
            (None, '\'') => {
                // A character, perhaps a quote; a lifetime has no second one.
                let mut ahead = characters.clone();
                let (first, second) = (ahead.next(), ahead.next());
                if second == Some('\'') || first == Some('\\') {
                    characters.by_ref().take(2 + usize::from(first == Some('\\'))).for_each(drop);
                }
            }
            (None, _) => {}
        }
    }
    found
}

/// The tables of tenants that a statement touches, each with the name that it has there.
fn touched(statement: &str) -> Vec<(&str, Option<&str>)> {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '{' | '}');
    let words: Vec<&str> = statement.split(|c| !is_word(c)).filter(|it| !it.is_empty()).collect();
    let is_verb = |word: &&str| matches!(*word, "FROM" | "JOIN" | "INTO" | "UPDATE");
    if !words.iter().any(is_verb) {
        // A message, not a statement.
        return Vec::new();
    }
    let begins = |word: &str| is_verb(&word) || word.starts_with('{');
    let pairs = words.windows(2).enumerate();
    let tables = pairs.filter(|(_, pair)| begins(pair[0]) && TABLES.contains(&pair[1]));
    tables
        .map(|(place, pair)| {
            let next = words.get(place + 2).copied();
            let alias = next.filter(|word| word.chars().all(|c| c.is_ascii_lowercase()));
            (pair[1], alias.filter(|word| *word != "tenant"))
        })
        .collect()
}

fn check(statement: &str) -> Result<(), String> {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    let names = |wanted: &str| statement.split(|c| !is_word(c)).any(|word| word == wanted);
    for (table, alias) in touched(statement) {
        let wanted = alias.map_or("tenant".to_owned(), |alias| format!("{alias}.tenant"));
        if !names(&wanted) {
            return Err(format!("`{wanted}` of {table} is not named in: {statement}"));
        }
    }
    if statement.contains("tenant = '") {
        return Err(format!("a fixed tenant in: {statement}"));
    }
    Ok(())
}

/// All literals of the sources below a folder.
fn statements(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            statements(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs")
            && path.file_name().is_some_and(|it| it != "statements.rs")
        {
            found.extend(literals(&std::fs::read_to_string(path).unwrap()));
        }
    }
}

#[test]
fn every_statement_names_the_tenant_of_each_table_that_it_touches() {
    let mut all = Vec::new();
    statements(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut all);
    let (of_all, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|it| it.contains(OF_ALL));
    assert_eq!(of_all.len(), MEANT_FOR_ALL, "{of_all:#?}");
    let touching = others.iter().filter(|statement| !touched(statement).is_empty());
    assert!(touching.count() > 50, "the statements are found");
    let wrong: Vec<_> = others.iter().filter_map(|statement| check(statement).err()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_statement_without_its_tenant_is_found() {
    for wrong in [
        "SELECT name FROM users WHERE id = $1",
        "SELECT 1 FROM members m JOIN entries e ON e.seq = m.read_seq WHERE m.tenant = $1",
        "DELETE FROM entries WHERE seq = $1",
        "UPDATE members SET role = 1 WHERE user_id = $1",
        "INSERT INTO users (id) VALUES ($1)",
        "SELECT 1 FROM {given} members m ON m.user_id = g.id",
        "SELECT 1 FROM users WHERE tenant = 'default'",
    ] {
        assert!(check(wrong).is_err(), "{wrong}");
    }
    assert_eq!(check("SELECT 1 FROM members m WHERE m.tenant = $1"), Ok(()));
    let source =
        "const A: &str = \"one \\\n two\"; // \"three\"\nlet b = ('\"', '\\\\', \"four\");";
    assert_eq!(literals(source), ["one   two", "four"]);
}
