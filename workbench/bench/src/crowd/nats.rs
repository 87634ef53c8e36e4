//! The NATS text protocol as a subscriber hears it, out of whatever pieces it comes in.

use memchr::memmem;

/// A line, or a message with its line, above this many bytes is not believed.
const MAX_BYTES: usize = 2 * 1024 * 1024;

/// What the server said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation<'a> {
    /// About itself, at the beginning.
    Info,
    /// A message to a subscription.
    Message(&'a [u8]),
    /// Wants a `PONG`.
    Ping,
    /// The answer to a `PING`.
    Pong,
    /// All is well, for those who want to hear it.
    Ok,
    /// What is wrong.
    Error(&'a [u8]),
}

/// What came is not the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the NATS protocol")]
pub struct Malformed;

/// Reads one connection.
#[derive(Debug, Default)]
pub struct Parser {
    /// The beginning of an operation whose end has not come.
    unfinished: Vec<u8>,
}

impl Parser {
    /// Takes what came and hands each operation to `hear`, in order.
    pub fn feed(
        &mut self,
        chunk: &[u8],
        mut hear: impl FnMut(Operation<'_>),
    ) -> Result<(), Malformed> {
        if self.unfinished.is_empty() {
            let taken = read(chunk, &mut hear)?;
            self.unfinished.extend_from_slice(&chunk[taken..]);
        } else {
            self.unfinished.extend_from_slice(chunk);
            let taken = read(&self.unfinished, &mut hear)?;
            self.unfinished.drain(..taken);
            if self.unfinished.is_empty() {
                self.unfinished = Vec::new();
            }
        }
        if self.unfinished.len() > MAX_BYTES { Err(Malformed) } else { Ok(()) }
    }
}

/// Reads whole operations; how many bytes they took.
fn read(bytes: &[u8], hear: &mut impl FnMut(Operation<'_>)) -> Result<usize, Malformed> {
    let mut at = 0;
    while let Some(line_len) = memmem::find(&bytes[at..], b"\r\n") {
        let line = &bytes[at..at + line_len];
        let after = at + line_len + 2;
        let Some(rest) = line.strip_prefix(b"MSG ") else {
            hear(plain(line)?);
            at = after;
            continue;
        };
        let len = rest.rsplit(|byte| *byte == b' ').next().and_then(length).ok_or(Malformed)?;
        let Some(end) = bytes.get(after + len..after + len + 2) else { break };
        if end != b"\r\n" {
            return Err(Malformed);
        }
        hear(Operation::Message(&bytes[after..after + len]));
        at = after + len + 2;
    }
    Ok(at)
}

/// An operation without a body.
fn plain(line: &[u8]) -> Result<Operation<'_>, Malformed> {
    match line {
        b"PING" => Ok(Operation::Ping),
        b"PONG" => Ok(Operation::Pong),
        b"+OK" => Ok(Operation::Ok),
        _ if line.starts_with(b"INFO ") => Ok(Operation::Info),
        _ => line.strip_prefix(b"-ERR ").map(Operation::Error).ok_or(Malformed),
    }
}

fn length(digits: &[u8]) -> Option<usize> {
    let length = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (length <= MAX_BYTES).then_some(length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn heard(chunks: &[&[u8]]) -> Result<Vec<String>, Malformed> {
        let mut parser = Parser::default();
        let mut all = Vec::new();
        for chunk in chunks {
            parser.feed(chunk, |operation| {
                all.push(match operation {
                    Operation::Message(body) => format!("message {body:02x?}"),
                    Operation::Error(why) => format!("error {}", String::from_utf8_lossy(why)),
                    other => format!("{other:?}"),
                });
            })?;
        }
        Ok(all)
    }

    #[test]
    fn a_session_is_understood() {
        let session = b"INFO {\"max_payload\":1048576} \r\n+OK\r\nPING\r\nPONG\r\n\
            MSG a.b 1 5\r\nhe\r\no\r\nMSG a.b 1 reply.to 0\r\n\r\n-ERR 'Slow Consumer'\r\n";
        let expected = [
            "Info",
            "Ok",
            "Ping",
            "Pong",
            "message [68, 65, 0d, 0a, 6f]",
            "message []",
            "error 'Slow Consumer'",
        ];
        assert_eq!(heard(&[session]).unwrap(), expected);
    }

    #[test]
    fn what_is_not_the_protocol_is_refused() {
        for bytes in [
            &b"HTTP/1.1 200 OK\r\n"[..],
            b"MSG a 1 x\r\n",
            b"MSG a 1 99999999999\r\n",
            b"MSG a 1 2\r\nabcd\r\n",
        ] {
            assert_eq!(heard(&[bytes]), Err(Malformed), "{}", String::from_utf8_lossy(bytes));
        }
    }

    proptest! {
        #[test]
        fn operations_do_not_depend_on_how_the_stream_was_cut(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..6),
            cuts in prop::collection::vec(1_usize..30, 0..40),
        ) {
            let mut stream = b"INFO {}\r\n".to_vec();
            for body in &bodies {
                stream.extend_from_slice(format!("MSG s 1 {}\r\n", body.len()).as_bytes());
                stream.extend_from_slice(body);
                stream.extend_from_slice(b"\r\nPING\r\n");
            }
            let chunks = wire_client::cuts::cut(&stream, cuts);
            let whole = heard(&[&stream]).unwrap();
            prop_assert_eq!(whole.len(), 1 + 2 * bodies.len());
            prop_assert_eq!(heard(&chunks).unwrap(), whole);
        }
    }
}
