//! A database that failed and came back is used again.

use std::time::{Duration, Instant};

use chat_service::store::{AppendBatch, AppendError, Listed};
use proto::id::{ClientId, ConversationId, TenantId};

use super::{Store, entry, group, keyed, only, seqs, user};

/// The longest time from the end of a failure to the next stored entry.
const AGAIN: Duration = Duration::from_secs(5);
/// What a write check writes to find out whether there is room.
const CHECKED_BYTES: usize = 64 << 10;

/// Somebody who goes on writing to a group while its database fails.
pub struct Writer {
    store: Store,
    id: ConversationId,
    head: u64,
    acknowledged: Vec<ClientId>,
}

impl Writer {
    pub async fn begin(store: &Store) -> Self {
        let id = ConversationId::generate();
        store.append(&group(id, &["ann", "bob"])).await.unwrap();
        Self { store: store.clone(), id, head: 1, acknowledged: Vec::new() }
    }

    /// One more entry with a text of so many bytes.
    pub async fn say(&mut self, bytes: usize) -> Result<(), AppendError> {
        let mut said = entry(self.id, self.head + 1, "ann");
        super::message(&mut said).content = format!(r#"{{"text":"{}"}}"#, "x".repeat(bytes));
        let client_id = said.client_id;
        self.store.append(&only(vec![said])).await?;
        self.head += 1;
        self.acknowledged.push(client_id);
        Ok(())
    }

    /// Says something until it is refused because of the database, and then some more.
    pub async fn is_refused(&mut self, bytes: usize) {
        let deadline = Instant::now() + AGAIN;
        let mut refusals = 0;
        while refusals < 3 {
            match self.say(bytes).await {
                Ok(()) => assert!(Instant::now() < deadline, "it goes on storing"),
                Err(AppendError::NotStored(_) | AppendError::Unknown(_)) => refusals += 1,
                // What was unknown was stored.
                Err(AppendError::Conflict) => self.look().await,
                Err(error) => panic!("{error}"),
            }
        }
        assert!(self.store.check_writes(CHECKED_BYTES).await.is_err(), "the check finds it, too");
    }

    async fn is_all_well(&self) -> bool {
        let checked = self.store.check_writes(CHECKED_BYTES).await;
        let listed = self.store.conversations_of(&user("bob"), Listed::default(), None, 10).await;
        checked.is_ok() && listed.is_ok()
    }

    async fn look(&mut self) {
        if let Ok(found) = self.store.load(&[keyed(self.id)]).await {
            self.head = found[0].as_ref().unwrap().head;
        }
    }

    /// The reason is gone: within seconds everything works again, and what was acknowledged is there.
    pub async fn is_heard_again(&mut self) {
        let begun = Instant::now();
        loop {
            self.look().await;
            let is_stored = self.say(1_000).await.is_ok();
            // Each connection that was ended meanwhile may cost one call more.
            if is_stored && self.is_all_well().await {
                break;
            }
            assert!(begun.elapsed() < AGAIN, "still refused");
        }
        let expected: Vec<u64> = (1..=self.head).collect();
        assert_eq!(seqs(&self.store, self.id).await, expected);
        let keys: Vec<_> = self.acknowledged.iter().map(|id| (user("ann"), *id)).collect();
        let found = self.store.find_client_ids(&keys).await.unwrap();
        assert!(found.iter().all(Option::is_some), "what was acknowledged is stored");
    }
}

pub async fn a_write_check_may_be_repeated_and_is_found_by_no_other_question(store: Store) {
    for bytes in [1, CHECKED_BYTES, 1] {
        store.check_writes(bytes).await.unwrap();
    }
    assert!(store.dead_letters(TenantId::DEFAULT, None, 10).await.unwrap().is_empty());
}

pub async fn appends_and_questions_that_nobody_waits_for_harm_no_later_ones(store: Store) {
    let mut writer = Writer::begin(&store).await;
    for number in 0..40 {
        let patience = Duration::from_micros(number * 50);
        // Dropped at any point, a commit that is under way included.
        let _ = tokio::time::timeout(patience, writer.say(1_000)).await;
        let ann = user("ann");
        let _ = tokio::time::timeout(
            patience,
            store.conversations_of(&ann, Listed::default(), None, 10),
        )
        .await;
        writer.look().await;
    }
    writer.is_heard_again().await;
    store.append(&AppendBatch::default()).await.unwrap();
}
