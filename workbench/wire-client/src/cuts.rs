//! For tests only: a stream as it may come in, in pieces of any length.

/// The stream cut into pieces of these lengths, and the rest.
pub fn cut(stream: &[u8], lengths: Vec<usize>) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut rest = stream;
    for length in lengths {
        let (piece, later) = rest.split_at(length.min(rest.len()));
        pieces.push(piece);
        rest = later;
    }
    pieces.push(rest);
    pieces
}
