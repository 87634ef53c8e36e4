//! Tells those who may know about changes, apart from everything that anybody waits for.
//!
//! When contacts cannot be found out, the change is dropped and counted: presence may be wrong for a
//! moment, the next change or the next question mends it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bus::Bus;
use platform::shutdown::Shutdown;
use proto::bus::{GatewayRef, Push, PushBatch, PushClass};
use proto::chat::ContactsRequest;
use proto::chat::chat_client::ChatClient;
use proto::frame::server::{Presence, ServerFrame};
use proto::id::UserId;
use tokio::sync::mpsc;
use tonic::transport::Channel;

use crate::config::PresenceSettings;
use crate::domain::announcement::{Event, Pending};
use crate::domain::device::{Change, Device};
use crate::domain::status::{Known, told};
use crate::metrics::PresenceMetrics;
use crate::store::PresenceStore;

/// Something to announce.
#[derive(Debug)]
pub enum Announcement {
    /// Devices came or went.
    Change(Change),
    /// A state was set by hand.
    Chosen(UserId),
    /// A device has connected again: its older connection is to be closed.
    Replaced(Device),
}

/// Hands changes to the announcer without ever waiting for it.
#[derive(Debug, Clone)]
pub struct Announcements {
    sender: mpsc::Sender<Announcement>,
    metrics: PresenceMetrics,
}

impl Announcements {
    /// A bounded queue and its reading end.
    pub fn new(
        settings: &PresenceSettings,
        metrics: PresenceMetrics,
    ) -> (Self, mpsc::Receiver<Announcement>) {
        let (sender, receiver) = mpsc::channel(settings.announcements.max(1));
        (Self { sender, metrics }, receiver)
    }

    /// Queues a change; drops it when the queue is full.
    pub fn announce(&self, announcement: Announcement) {
        if self.sender.try_send(announcement).is_err() {
            self.metrics.not_announced.inc();
        }
    }
}

/// Announces what is queued.
pub struct Announcer {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) store: Arc<dyn PresenceStore>,
    pub(crate) chat: ChatClient<Channel>,
    pub(crate) settings: PresenceSettings,
    pub(crate) metrics: PresenceMetrics,
}

impl Announcer {
    /// Runs until stopping begins.
    pub async fn run(self, mut queue: mpsc::Receiver<Announcement>, shutdown: Shutdown) {
        let started = Instant::now();
        let now_ms = || started.elapsed().as_millis() as u64;
        let mut pending = Pending::new(self.settings.offline_grace_ms);
        let mut chosen: BTreeSet<UserId> = BTreeSet::new();
        loop {
            let wait = pending
                .next_due_ms()
                .map(|due| Duration::from_millis(due.saturating_sub(now_ms())));
            tokio::select! {
                announcement = queue.recv() => match announcement {
                    Some(Announcement::Change(change)) => pending.add(change, now_ms()),
                    Some(Announcement::Chosen(user)) => { chosen.insert(user); }
                    Some(Announcement::Replaced(device)) => self.close_replaced(device).await,
                    None => return,
                },
                () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
                () = shutdown.begun() => return,
            }
            // What has piled up meanwhile belongs to the same batch.
            while pending.len() + chosen.len() < self.settings.announce_batch {
                match queue.try_recv() {
                    Ok(Announcement::Change(change)) => pending.add(change, now_ms()),
                    Ok(Announcement::Chosen(user)) => {
                        chosen.insert(user);
                    }
                    Ok(Announcement::Replaced(device)) => self.close_replaced(device).await,
                    Err(_) => break,
                }
            }
            let mut due = pending.take_due(now_ms());
            due.extend(
                std::mem::take(&mut chosen).into_iter().map(|user| (user, Event::StatusChanged)),
            );
            for batch in due.chunks(self.settings.announce_batch.max(1)) {
                match self.tell(batch).await {
                    Ok(()) => {
                        self.metrics.announced.inc_by(batch.len() as u64);
                    }
                    Err(reason) => {
                        tracing::debug!(reason, users = batch.len(), "changes are not told");
                        self.metrics.not_announced.inc_by(batch.len() as u64);
                    }
                }
            }
        }
    }

    async fn close_replaced(&self, device: Device) {
        let gateway = GatewayRef { id: device.gateway.id, epoch: device.gateway.epoch };
        let push = Push {
            connections: vec![device.connection],
            class: PushClass::Replaced as i32,
            ..Push::default()
        };
        if let Err(error) =
            self.bus.publish_pushes(&gateway, PushBatch { pushes: vec![push] }).await
        {
            tracing::debug!(%error, "the replaced connection's gateway is gone");
        }
    }

    async fn tell(&self, batch: &[(UserId, Event)]) -> Result<(), String> {
        let users: Vec<UserId> = batch.iter().map(|(user, _)| user.clone()).collect();
        let audiences = self.audiences(&users).await?;
        let listeners: BTreeSet<&UserId> = audiences.iter().flatten().collect();
        let listeners: Vec<UserId> = listeners.into_iter().cloned().collect();
        let known = self.store.known(&users).await.map_err(|error| error.to_string())?;
        let devices = self.store.locate(&listeners).await.map_err(|error| error.to_string())?;
        let devices: HashMap<&UserId, Vec<Device>> = listeners.iter().zip(devices).collect();
        let mut pushes: HashMap<(String, u64), Vec<Push>> = HashMap::new();
        for (((user, event), known), audience) in batch.iter().zip(known).zip(&audiences) {
            let frame = frame(user, *event, known);
            let mut by_gateway: HashMap<(&str, u64), Vec<u64>> = HashMap::new();
            for device in audience.iter().filter_map(|listener| devices.get(listener)).flatten() {
                let key = (device.gateway.id.as_str(), device.gateway.epoch);
                by_gateway.entry(key).or_default().push(device.connection);
            }
            for ((id, epoch), connections) in by_gateway {
                pushes.entry((id.to_owned(), epoch)).or_default().push(Push {
                    connections,
                    frame: frame.clone(),
                    class: PushClass::Ephemeral as i32,
                    ..Push::default()
                });
            }
        }
        for ((id, epoch), pushes) in pushes {
            // A gateway that is gone or full misses it: nobody waits for a dot.
            if let Err(error) =
                self.bus.publish_pushes(&GatewayRef { id, epoch }, PushBatch { pushes }).await
            {
                tracing::debug!(%error, "presence is not told to a gateway");
            }
        }
        Ok(())
    }

    /// Of each user: those who share a conversation, and the user's own devices.
    async fn audiences(&self, users: &[UserId]) -> Result<Vec<Vec<UserId>>, String> {
        let mut request = tonic::Request::new(ContactsRequest {
            user_ids: users.iter().map(ToString::to_string).collect(),
            limit: self.settings.contacts,
        });
        let timeout = Duration::from_millis(self.settings.contacts_timeout_ms);
        request.set_timeout(timeout);
        let mut chat = self.chat.clone();
        let reply = tokio::time::timeout(timeout, chat.contacts(request))
            .await
            .map_err(|_| "chat does not answer".to_owned())?
            .map_err(|status| status.to_string())?;
        let lists = reply.into_inner().lists;
        let audience = |(user, list): (&UserId, proto::chat::ContactList)| {
            let contacts = list.user_ids.iter().filter_map(|id| UserId::parse(id).ok());
            contacts.chain([user.clone()]).collect()
        };
        Ok(users.iter().zip(lists).map(audience).collect())
    }
}

fn frame(user: &UserId, event: Event, known: Known) -> bytes::Bytes {
    let told = told(known);
    // The invisible come and go as the offline do: by their state, not by the event.
    let event = match (told.status, event) {
        ("offline", Event::UserOnline | Event::DeviceConnected | Event::DeviceDisconnected) => {
            Event::UserOffline
        }
        (_, event) => event,
    };
    let frame = Presence {
        user_id: user.clone(),
        status: told.status.to_owned(),
        last_seen: told.last_seen_ms,
        devices: told.devices,
        event: event.as_str().to_owned(),
    };
    ServerFrame::Presence(frame).to_json()
}
