//! Who has the machine. Most tests share it; one that measures memory or the time of answers, or that uses up the
//! machine, has it alone.
//!
//! libtest runs each test on a thread of its own, and a hold lasts as long as that thread. Starting a process shares the
//! machine, so an ordinary test says nothing. The lock is that of the standard library, which lets nobody begin to share
//! while somebody waits to be alone: such a test waits for those that are under way, and for no others.
//!
//! Must not be used by anything that is started from several threads of one test: the second would wait for the first.

use std::cell::RefCell;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

static MACHINE: RwLock<()> = RwLock::new(());

thread_local! {
    static HOLD: RefCell<Option<Hold>> = const { RefCell::new(None) };
}

/// What this thread has of the machine, until it ends.
enum Hold {
    Shared { _guard: RwLockReadGuard<'static, ()> },
    Alone { _guard: RwLockWriteGuard<'static, ()> },
}

/// Waits until no other test has a process, and lets none begin until this one has ended. Blocks the thread: nothing of
/// this test runs yet.
pub fn alone() {
    HOLD.with_borrow_mut(|hold| {
        if !matches!(hold, Some(Hold::Alone { .. })) {
            // Let go first: two that share and want to be alone would wait for each other.
            *hold = None;
            let guard = MACHINE.write().unwrap_or_else(PoisonError::into_inner);
            *hold = Some(Hold::Alone { _guard: guard });
        }
    });
}

/// Waits for a test that has the machine alone, unless this one has it.
pub(crate) fn share() {
    HOLD.with_borrow_mut(|hold| {
        if hold.is_none() {
            let guard = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
            *hold = Some(Hold::Shared { _guard: guard });
        }
    });
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn sharers_wait_for_one_that_is_alone_and_a_hold_ends_with_its_thread() {
        let (tell, told) = mpsc::channel();
        let (let_go, wait) = mpsc::channel::<()>();
        let tell_alone = tell.clone();
        let lonely = thread::spawn(move || {
            share();
            alone();
            // A test that is alone may start as many processes as it likes.
            share();
            tell_alone.send("alone").unwrap();
            wait.recv().unwrap();
            tell_alone.send("done").unwrap();
        });
        assert_eq!(told.recv().unwrap(), "alone");
        let sharers: Vec<_> = (0..2)
            .map(|_| {
                let tell = tell.clone();
                thread::spawn(move || {
                    share();
                    tell.send("shared").unwrap();
                })
            })
            .collect();
        assert!(MACHINE.try_read().is_err(), "nobody shares meanwhile");
        let_go.send(()).unwrap();
        let heard: Vec<_> = told.iter().take(3).collect();
        assert_eq!(heard, ["done", "shared", "shared"]);
        lonely.join().unwrap();
        for sharer in sharers {
            sharer.join().unwrap();
        }
    }
}
