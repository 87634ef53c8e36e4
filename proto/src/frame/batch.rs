//! `batch {frames}`: several server frames as one, for clients that ask for it. The frames inside are
//! complete and in their order; none of them is a `batch`.

use bytes::Bytes;

/// Frames of JSON as one.
pub fn json<T: AsRef<[u8]>>(frames: &[T]) -> Bytes {
    const HEAD: &[u8] = br#"{"type":"batch","frames":["#;
    let bytes: usize = frames.iter().map(|frame| frame.as_ref().len() + 1).sum();
    let mut batch = Vec::with_capacity(HEAD.len() + bytes + 2);
    batch.extend_from_slice(HEAD);
    for (index, frame) in frames.iter().enumerate() {
        if index > 0 {
            batch.push(b',');
        }
        batch.extend_from_slice(frame.as_ref());
    }
    batch.extend_from_slice(b"]}");
    batch.into()
}

/// Frames of MessagePack as one, at most 65,535.
pub fn msgpack<T: AsRef<[u8]>>(frames: &[T]) -> Bytes {
    // A map of two: "type" is "batch", and "frames" is an array with a length of two bytes.
    const HEAD: &[u8] = b"\x82\xa4type\xa5batch\xa6frames\xdc";
    let bytes: usize = frames.iter().map(|frame| frame.as_ref().len()).sum();
    let mut batch = Vec::with_capacity(HEAD.len() + 2 + bytes);
    batch.extend_from_slice(HEAD);
    batch.extend_from_slice(&(frames.len() as u16).to_be_bytes());
    for frame in frames {
        batch.extend_from_slice(frame.as_ref());
    }
    batch.into()
}
