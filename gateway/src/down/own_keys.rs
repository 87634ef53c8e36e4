//! An entry with the keys of several devices, on its way to sockets: each is written its own key alone. Nearly all devices have
//! none in it, and share one frame.

use proto::bus::EntryPush;
use proto::frame::keys::{Keyed, Whose};

use crate::connections::Connection;
use crate::net::frame::{About, Frame};

/// The keys of an entry.
#[derive(Debug)]
pub(super) struct OwnKeys {
    keyed: Keyed,
    most: usize,
    is_late: bool,
    traceparent: String,
}

impl OwnKeys {
    /// Of a push whose entry has some. `most` is what a frame may have, in bytes.
    pub(super) fn of(push: &EntryPush, most: usize, about: &About) -> Option<Self> {
        let keyed = Keyed::of_entry(&push.frame)?;
        let (is_late, traceparent) = (about.is_late, about.traceparent.clone());
        Some(Self { keyed, most, is_late, traceparent })
    }

    /// The entry for devices that have no key in it.
    pub(super) fn without(&self) -> Vec<u8> {
        self.keyed.only(Whose::Nobody)
    }

    /// The entry for a connection whose device has a key in it.
    pub(super) fn frame(&self, push: &EntryPush, connection: &Connection) -> Option<Frame> {
        let (user, device) = (connection.user_id.name_str(), connection.device_id.as_str());
        if !self.keyed.has(user, device) {
            return None;
        }
        let json = self.keyed.only(Whose::Device { user, device });
        let about = About::entry(push, self.traceparent.clone());
        Some(Frame::within(self.most, &json, About { is_late: self.is_late, ..about }))
    }
}
