//! Telling a batch, round by round: each round asks for a bounded number of contacts of all users
//! together, tells them, and goes on with those users who have more. Nobody is left out for their number.

use std::time::Duration;

use proto::chat::ContactsRequest;
use proto::id::UserId;
use tokio::time::Instant;

use super::Announcer;
use super::compose::{self, Telling};
use crate::domain::announce::for_contacts;
use crate::domain::pending::Announcement;
use crate::metrics::AnnouncementOutcome;

/// A user whose contacts are not all told yet.
struct Untold {
    told: Announcement,
    /// Where their contacts go on; empty at the beginning.
    after: String,
    contacts: Vec<UserId>,
    hides_last_seen: bool,
}

impl Untold {
    fn telling(&self) -> Telling<'_> {
        let Self { told, contacts, hides_last_seen, .. } = self;
        Telling { told, contacts, hides_last_seen: *hides_last_seen }
    }
}

impl Announcer {
    pub(super) async fn tell(&self, batch: Vec<Announcement>) {
        let untold = |told| Untold {
            told,
            after: String::new(),
            contacts: Vec::new(),
            hides_last_seen: false,
        };
        let mut round: Vec<Untold> = batch.into_iter().map(untold).collect();
        while !round.is_empty() {
            let began = Instant::now();
            round = self.tell_round(round).await;
            if !round.is_empty() {
                self.pause(began).await;
            }
        }
    }

    /// Tells one page of contacts. Answers those who have more.
    async fn tell_round(&self, mut round: Vec<Untold>) -> Vec<Untold> {
        let outcome = match self.read_contacts(&mut round).await {
            Ok(()) => AnnouncementOutcome::Told,
            Err(error) => {
                tracing::debug!(error, users = round.len(), "contacts are told later");
                AnnouncementOutcome::WithoutContacts
            }
        };
        let tellings: Vec<Telling<'_>> = round.iter().map(Untold::telling).collect();
        let listeners = compose::listeners(&tellings);
        let located = match self.store.locate(&listeners).await {
            Ok(located) => located,
            Err(error) => {
                tracing::debug!(%error, users = round.len(), "changes are told later");
                self.put_back(round, AnnouncementOutcome::WithoutPlaces);
                return Vec::new();
            }
        };
        let is_told = self.publish(compose::pushes(&tellings, &listeners, &located)).await;
        if !is_told {
            for it in &mut round {
                it.told.is_partly_told = true;
            }
            self.put_back(round, AnnouncementOutcome::WithoutBus);
            return Vec::new();
        }
        for it in &mut round {
            it.told.own_before = it.told.after;
            it.told.is_partly_told |= !it.contacts.is_empty();
            it.contacts.clear();
        }
        if outcome == AnnouncementOutcome::WithoutContacts {
            let is_left = |it: &Untold| for_contacts(it.told.before, it.told.after).is_some();
            let (left, done) = round.into_iter().partition(is_left);
            self.put_back(left, outcome);
            self.tell_others(&done);
            return Vec::new();
        }
        let (left, done): (_, Vec<_>) = round.into_iter().partition(|it| !it.after.is_empty());
        self.metrics.announced(AnnouncementOutcome::Told, done.len());
        self.tell_others(&done);
        left
    }

    /// Tells other systems of those of whom all users have heard.
    fn tell_others(&self, done: &[Untold]) {
        for it in done {
            self.moments.told(&it.told);
        }
    }

    fn put_back(&self, round: Vec<Untold>, why: AnnouncementOutcome) {
        self.announcements.put_back(round.into_iter().map(|it| it.told).collect(), why);
    }

    /// Reads the next contacts of each user of whom others are to be told.
    async fn read_contacts(&self, round: &mut [Untold]) -> Result<(), String> {
        let mut asked: Vec<&mut Untold> = round
            .iter_mut()
            .filter(|it| for_contacts(it.told.before, it.told.after).is_some())
            .collect();
        if asked.is_empty() {
            return Ok(());
        }
        let each = self.settings.contacts as usize / asked.len();
        let limit = u32::try_from(each.max(1)).unwrap_or(u32::MAX);
        let mut request = tonic::Request::new(ContactsRequest {
            user_ids: asked.iter().map(|it| it.told.user_id.to_string()).collect(),
            limit,
            after: asked.iter().map(|it| it.after.clone()).collect(),
            group_members: self.settings.group_members,
        });
        let timeout = Duration::from_millis(self.settings.contacts_timeout_ms);
        request.set_timeout(timeout);
        let mut chat = self.chat.clone();
        let reply = tokio::time::timeout(timeout, chat.contacts(request))
            .await
            .map_err(|_| format!("chat did not answer within {timeout:?}"))?
            .map_err(|status| status.to_string())?;
        let lists = reply.into_inner().lists;
        if lists.len() != asked.len() {
            return Err("chat answered for other users than were asked for".to_owned());
        }
        for (it, list) in asked.iter_mut().zip(lists) {
            it.contacts =
                list.user_ids.iter().filter_map(|id| UserId::parse_qualified(id).ok()).collect();
            self.metrics.large_groups.inc_by(u64::from(list.large));
            it.hides_last_seen = list.hides_last_seen;
            it.after = list.next;
        }
        Ok(())
    }
}
