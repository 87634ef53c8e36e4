//! Writes the history of a run to a file while it goes on, on a thread of its own.
//!
//! Clients never wait for the disk: what does not fit into the queue is dropped and counted, and
//! a history with drops is judged as unknown.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use verdict::event::{Event, Line};

/// Events that may wait for the disk, some 100 bytes each.
const QUEUE: usize = 1 << 17;

/// Takes events from any thread.
#[derive(Debug, Clone)]
pub struct Recorder {
    queue: SyncSender<Line>,
    dropped: Arc<AtomicU64>,
}

impl Recorder {
    /// Takes an event that happened at `t` nanoseconds.
    pub fn take(&self, t: u64, event: Event) {
        match self.queue.try_send(Line { t, event }) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Events that are missing from the file.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// The thread behind a [`Recorder`].
#[derive(Debug)]
pub struct Writer {
    recorder: Recorder,
    thread: JoinHandle<io::Result<()>>,
}

impl Writer {
    /// Begins a file.
    pub fn create(path: &Path) -> io::Result<Self> {
        Self::with(std::fs::File::create(path)?, QUEUE)
    }

    fn with(out: impl Write + Send + 'static, queue: usize) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(queue);
        let thread = std::thread::Builder::new()
            .name("fleet-history".to_owned())
            .spawn(move || write(BufWriter::with_capacity(1 << 18, out), &receiver))?;
        let recorder = Recorder { queue: sender, dropped: Arc::default() };
        Ok(Self { recorder, thread })
    }

    /// Where events go.
    pub fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }

    /// Writes the last line and ends the file. Nothing may be recorded any more.
    pub fn finish(self, t: u64, drained: bool, doubts: Vec<String>) -> io::Result<()> {
        let dropped = self.recorder.dropped();
        // Waits for room: without this line the history counts as cut off.
        let last = Line { t, event: Event::Done { dropped, drained, doubts } };
        let _ = self.recorder.queue.send(last);
        drop(self.recorder);
        self.thread.join().map_err(|_| io::Error::other("the history's thread panicked"))?
    }
}

fn write(mut out: impl Write, queue: &Receiver<Line>) -> io::Result<()> {
    for line in queue {
        serde_json::to_writer(&mut out, &line)?;
        out.write_all(b"\n")?;
        if matches!(line.event, Event::Done { .. }) {
            break;
        }
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use verdict::event::Doubt;

    /// A disk that is stuck until it is let go.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<Vec<u8>>>);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(disk: &Disk) -> Vec<Line> {
        let bytes = disk.0.lock().unwrap();
        let text = std::str::from_utf8(&bytes).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn events_are_written_in_order_and_the_last_line_says_it_is_whole() {
        let disk = Disk::default();
        let writer = Writer::with(disk.clone(), 10_000).unwrap();
        let recorder = writer.recorder();
        for n in 0..5_000 {
            recorder.take(u64::from(n), Event::Info { dev: 1, n, why: Doubt::Lost });
        }
        writer.finish(7_000, true, vec!["a doubt".to_owned()]).unwrap();
        let lines = lines(&disk);
        assert_eq!(lines.len(), 5_001);
        assert!((0..5_000).all(|n| lines[n].t == n as u64));
        let doubts = vec!["a doubt".to_owned()];
        assert_eq!(lines[5_000].event, Event::Done { dropped: 0, drained: true, doubts });
    }

    #[test]
    fn what_the_disk_is_too_slow_for_is_counted() {
        // An event this long does not fit into the buffer, so the thread waits in the write.
        let long = || Event::Unreadable { dev: 0 };
        let huge = Event::Fail { dev: 0, n: 0, code: "x".repeat(1 << 19) };
        let disk = Disk::default();
        let stuck = disk.0.lock().unwrap();
        let writer = Writer::with(disk.clone(), 4).unwrap();
        let recorder = writer.recorder();
        recorder.take(0, huge);
        while recorder.dropped() < 3 {
            recorder.take(1, long());
        }
        drop(stuck);
        writer.finish(2, true, Vec::new()).unwrap();
        let lines = lines(&disk);
        let Some(Event::Done { dropped, .. }) = lines.last().map(|line| &line.event) else {
            panic!("{lines:?}")
        };
        assert!(*dropped >= 3);
    }
}
