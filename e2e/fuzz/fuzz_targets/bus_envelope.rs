//! Whatever a body on the bus is, it is decoded or refused; what is decoded is encoded again without loss,
//! and every operation in it is read or refused.
#![no_main]

use chat_service::operations::{self, Reference};
use prost::Message;
use proto::bus::frame::Body;
use proto::bus::{FrameBatch, PushBatch};

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    if let Ok(batch) = PushBatch::decode(body) {
        assert_eq!(PushBatch::decode(&batch.encode_to_vec()[..]).as_ref(), Ok(&batch));
    }
    let Ok(batch) = FrameBatch::decode(body) else { return };
    assert_eq!(FrameBatch::decode(&batch.encode_to_vec()[..]).as_ref(), Ok(&batch));
    for frame in batch.frames {
        if let (Some(origin), Some(Body::Operation(operation))) = (frame.origin, frame.body) {
            let reference = Reference { reference: frame.r#ref, client_id: frame.client_id };
            let _ = operations::read(&origin, &reference, operation);
        }
    }
});
