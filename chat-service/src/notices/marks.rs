//! What a user did with a notice, told to all of their devices: one that shows it takes it away. May be lost: the store
//! knows it.

use proto::bus::{FrameClass, FramePush, Push, PushBatch, push::Body};
use proto::frame::server::{NoticeMark, ServerFrame};

use super::NoticeParts;
use crate::store::notices::Marking;

/// Tells it once.
pub(crate) async fn tell(parts: NoticeParts, marking: Marking, at_ms: u64) {
    let user_id = marking.user_id.clone();
    let located = match parts.directory.locate(std::slice::from_ref(&user_id), "").await {
        Ok(located) => located,
        Err(error) => return tracing::debug!(%error, "devices are not told of a notice's mark"),
    };
    let state = marking.mark.as_str().to_owned();
    let mark = NoticeMark { notice_id: marking.notice, state, timestamp: at_ms };
    let frame = ServerFrame::NoticeMark(mark).to_json();
    for (place, gateway) in located.gateways.iter().enumerate() {
        let devices = located.devices.get(&user_id).into_iter().flatten();
        let here = devices.filter(|device| device.gateway == place);
        let push = FramePush {
            connections: here.map(|device| device.connection).collect(),
            frame: frame.clone(),
            class: FrameClass::Receipt as i32,
        };
        let pushes = vec![Push::from(Body::Frame(push))];
        if let Err(error) = parts.bus.publish_pushes(gateway, PushBatch { pushes }).await {
            tracing::debug!(gateway.id, %error, "devices are not told of a notice's mark");
        }
    }
}
