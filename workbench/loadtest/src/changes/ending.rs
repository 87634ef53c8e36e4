//! The end of a run: waits for what is under way, reads the logs and all states, and waits for the devices.

use std::time::Duration;

use tokio::time::Instant;
use verdict::changes::Account;
use verdict::changes::account::{Conversation, Outcome};
use verdict::changes::fold::Entry;
use wire_client::rest::RestError;

use super::Shared;
use super::asking::Question;

/// How often it is looked whether all is done.
const LOOK: Duration = Duration::from_millis(100);
/// Entries of one page of a log.
const PAGE: u32 = 200;

/// What the server has in the end.
pub(super) async fn drained(shared: &Shared) -> Account {
    let deadline = Instant::now() + shared.options.drain;
    let is_open = || {
        let book = shared.book.borrow();
        book.operations.iter().any(|operation| operation.outcome == Outcome::Unknown)
    };
    wait_until(deadline, || !is_open()).await;
    let mut account = Account::default();
    for number in 0..shared.groups.len() {
        match conversation(shared, number).await {
            Ok(conversation) => {
                shared.heads.borrow_mut().insert(number, conversation.log.len() as u64);
                account.conversations.push(conversation);
            }
            Err(error) => {
                let id = shared.groups[number].id;
                account.conversations.push(Conversation { id, ..Conversation::default() });
                account.doubts.push(format!("conversation {number}: {error}"));
            }
        }
    }
    if account.doubts.is_empty() {
        wait_until(deadline, || shared.settled.borrow().iter().all(|is_settled| *is_settled)).await;
    }
    account
}

async fn wait_until(deadline: Instant, is_so: impl Fn() -> bool) {
    while !is_so() && Instant::now() < deadline {
        tokio::time::sleep(LOOK).await;
    }
}

#[derive(serde::Deserialize)]
struct LogPage {
    entries: Vec<Entry>,
    more: bool,
}

/// The log and all states of a conversation, as its first member reads them.
async fn conversation(shared: &Shared, number: usize) -> Result<Conversation, RestError> {
    let group = &shared.groups[number];
    let (user, id) = (&shared.users[group.members[0]], group.id);
    let rest = shared.rests[number % shared.rests.len()].patient();
    let mut conversation = Conversation { id, ..Conversation::default() };
    loop {
        let after = conversation.log.last().map_or(0, |entry| entry.seq);
        let path = format!("/conversations/{id}/messages?after_seq={after}&limit={PAGE}");
        let page: LogPage = rest.get(user, "a log", &path).await?;
        let is_over = !page.more || page.entries.is_empty();
        conversation.log.extend(page.entries);
        if is_over {
            break;
        }
    }
    let mut after = Some(0);
    while let Some(seq) = after {
        let question = Question::Messages(format!("&after_seq={seq}"));
        let (answer, next) = question.ask(&rest, user, number, id).await?;
        conversation.rows.push(answer);
        after = next.filter(|next| *next > seq);
    }
    let head = conversation.log.len() as u64;
    let mut from = Some(1);
    while let Some(seq) = from.filter(|seq| *seq <= head) {
        let question = Question::Changes(seq..=head, 0);
        let (answer, next) = question.ask(&rest, user, number, id).await?;
        conversation.rows.push(answer);
        from = next.filter(|next| *next > seq);
    }
    // Replies are in no page of the conversation: some of them by themselves.
    let replies = conversation.log.iter().filter(|entry| entry.thread.is_some());
    let replies: Vec<u64> = replies.map(|entry| entry.seq).take(20).collect();
    for seq in replies {
        conversation.rows.push(Question::One(seq).ask(&rest, user, number, id).await?.0);
    }
    Ok(conversation)
}
