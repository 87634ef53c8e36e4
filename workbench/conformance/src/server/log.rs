//! What one device holds of one conversation: entries by their seq, live or by sync, and what it has sent itself. Repeats
//! have to be the same entry.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::scope::{number, text};
use super::socket::{ANSWER, Heard, Socket};
use crate::checked::{Checked, broken, check};

/// Entries of one conversation.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) entries: BTreeMap<u64, Value>,
    /// The ids of entries that this connection was answered for: `sent` stands for the entry.
    sent: BTreeMap<u64, Value>,
}

impl Log {
    /// Takes an entry of a live frame or a page.
    pub(crate) fn take(&mut self, entry: &Value) -> Checked {
        let seq = number(entry, "seq")?;
        check!(seq > 0, "entries are counted from 1: {entry}");
        let mut entry = entry.clone();
        if let Some(fields) = entry.as_object_mut() {
            fields.remove("type");
        }
        if let Some(held) = self.entries.insert(seq, entry.clone()) {
            check!(held == entry, "two entries at {seq}: {held} and {entry}");
        }
        Ok(())
    }

    /// Takes the answer to an own operation.
    fn take_sent(&mut self, sent: &Value) -> Checked {
        let (seq, id) = (number(sent, "seq")?, sent["id"].clone());
        if let Some(entry) = self.entries.get(&seq) {
            check!(entry["id"] == id, "{entry} stands where {sent} was stored");
        }
        self.sent.insert(seq, id);
        Ok(())
    }

    /// Listens until every entry from `from` to `to` is there.
    pub(crate) async fn until(
        &mut self,
        socket: &mut Socket,
        conversation: &str,
        from: u64,
        to: u64,
    ) -> Checked {
        let until = Instant::now() + ANSWER;
        while !self.has(from, to) {
            let left = until.saturating_duration_since(Instant::now());
            match socket.hear_within(left).await? {
                Some(Heard::Frame(frame)) if frame["conversation_id"] == conversation => {
                    match frame["type"].as_str() {
                        Some("entry") => self.take(&frame)?,
                        Some("sent") => self.take_sent(&frame)?,
                        _ => {}
                    }
                }
                Some(Heard::Closed(code, reason)) => {
                    return broken(format!("closed with {code} {reason:?} before {to}"));
                }
                Some(_) => {}
                None => {
                    let held: Vec<u64> = self.ids().into_iter().map(|(seq, _)| seq).collect();
                    return broken(format!("of the entries {from} to {to} only {held:?} came"));
                }
            }
        }
        Ok(())
    }

    fn has(&self, from: u64, to: u64) -> bool {
        (from..=to).all(|seq| self.entries.contains_key(&seq) || self.sent.contains_key(&seq))
    }

    /// The ids by seq.
    pub(crate) fn ids(&self) -> Vec<(u64, Value)> {
        let mut ids = self.sent.clone();
        ids.extend(self.entries.iter().map(|(seq, entry)| (*seq, entry["id"].clone())));
        ids.into_iter().collect()
    }
}

/// What a sync answered.
#[derive(Debug)]
pub(crate) struct Synced {
    pub(crate) pages: Vec<Value>,
    pub(crate) synced: Value,
}

impl Synced {
    /// Syncs with these cursors; the epoch is given where there are any.
    pub(crate) async fn ask(
        socket: &mut Socket,
        epoch: Option<&str>,
        cursors: &Value,
    ) -> Checked<Self> {
        let mut frame = json!({ "type": "sync", "ref": "sync", "cursors": cursors });
        if let (Some(fields), Some(epoch)) = (frame.as_object_mut(), epoch) {
            fields.insert("epoch".to_owned(), epoch.into());
        }
        socket.say(&frame).await?;
        let mut pages = Vec::new();
        loop {
            match socket.hear().await? {
                Heard::Frame(frame) if frame["type"] == "sync_page" => pages.push(frame),
                Heard::Frame(frame) if frame["type"] == "synced" => {
                    return Ok(Self { pages, synced: frame });
                }
                Heard::Frame(frame) if frame["type"] == "error" => {
                    return broken(format!("`sync` was answered by {frame}"));
                }
                Heard::Closed(code, reason) => {
                    return broken(format!("closed with {code} {reason:?} instead of `synced`"));
                }
                _ => {}
            }
        }
    }

    pub(crate) fn epoch(&self) -> Checked<String> {
        text(&self.synced, "epoch")
    }

    /// The pages of a conversation, each ascending without gaps and the next one after it; the head is that of the end.
    pub(crate) fn of(&self, conversation: &str) -> Checked<Conversation> {
        let mut found = Conversation::default();
        let mut last: Option<u64> = None;
        for page in self.pages.iter().filter(|page| page["conversation_id"] == conversation) {
            check!(found.pages == 0 || found.more, "a page after one with `more: false`: {page}");
            check!(
                found.pages == 0 || page.get("skipped_before").is_none(),
                "only the first page has `skipped_before`: {page}"
            );
            if found.pages == 0 {
                found.is_reset = page["reset"] == true;
                found.is_gone = page["gone"] == true;
                found.skipped_before = page["skipped_before"].as_u64();
            }
            found.pages += 1;
            found.more = page["more"] == true;
            found.head = number(page, "head")?;
            let Some(entries) = page["entries"].as_array() else {
                return broken(format!("a page without entries: {page}"));
            };
            for entry in entries {
                let seq = number(entry, "seq")?;
                check!(
                    last.is_none_or(|last| seq == last + 1),
                    "seq {seq} after {last:?} in the pages of one sync"
                );
                last = Some(seq);
                found.log.take(entry)?;
            }
        }
        check!(!found.more, "`synced` came after a page with `more: true`");
        Ok(found)
    }
}

/// The pages of one conversation in one sync.
#[derive(Debug, Default)]
pub(crate) struct Conversation {
    pub(crate) log: Log,
    pub(crate) pages: usize,
    pub(crate) more: bool,
    pub(crate) head: u64,
    pub(crate) is_reset: bool,
    pub(crate) is_gone: bool,
    pub(crate) skipped_before: Option<u64>,
}

impl Conversation {
    /// The seqs of its entries.
    pub(crate) fn seqs(&self) -> Vec<u64> {
        self.log.entries.keys().copied().collect()
    }
}
