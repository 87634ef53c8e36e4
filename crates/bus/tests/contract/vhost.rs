//! Virtual hosts of the test process's own: each takes a bounded number of rigs, and is removed with its queues when the last
//! of them has ended.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

/// Begins the names of all virtual hosts of these tests; what follows is when one was made.
const PREFIX: &str = "tidings_bus_";
/// Those that a killed run left behind are removed after this time.
const LEFTOVER_SECS: u64 = 3600;
/// Rigs of one virtual host. Their queues stay until it is removed, and a quorum queue holds a file of the broker: where
/// those are used up (1,024 of a process by default), the broker deletes and makes nothing any more.
const RIGS_OF_ONE: u32 = 20;

/// The broker of `AMQP_URL`: user and password, host and port.
static BROKER: LazyLock<(String, String)> = LazyLock::new(|| {
    let url = env_or("AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/%2f");
    let rest = url.strip_prefix("amqp://").expect("AMQP_URL begins with amqp://");
    let place = rest.split('/').next().unwrap_or(rest);
    let (user, host) = place.rsplit_once('@').unwrap_or(("guest:guest", place));
    let port = if host.contains(':') { "" } else { ":5672" };
    (user.to_owned(), format!("{host}{port}"))
});

#[expect(
    clippy::disallowed_methods,
    reason = "the one place of the suite that reads the environment"
)]
fn env_or(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

/// Removed when dropped, also by a failing test.
#[derive(Debug)]
pub struct Vhost {
    pub name: String,
}

/// The newest, and how many rigs it was given to.
static CURRENT: Mutex<(Weak<Vhost>, u32)> = Mutex::new((Weak::new(), 0));
static MADE: AtomicU32 = AtomicU32::new(0);

impl Vhost {
    /// One that several tests of this process share.
    pub fn shared() -> Arc<Self> {
        // A test that failed while holding it has broken nothing.
        let mut current = CURRENT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (newest, rigs) = &mut *current;
        if let Some(vhost) = newest.upgrade().filter(|_| *rigs < RIGS_OF_ONE) {
            *rigs += 1;
            return vhost;
        }
        let vhost = Arc::new(Self::make());
        (*newest, *rigs) = (Arc::downgrade(&vhost), 1);
        vhost
    }

    fn make() -> Self {
        for name in lines(&rabbitmqctl(&["-q", "list_vhosts", "--no-table-headers"])) {
            let made = name.strip_prefix(PREFIX).and_then(|rest| rest.split('_').next());
            let is_old = made
                .and_then(|secs| secs.parse::<u64>().ok())
                .is_some_and(|secs| secs + LEFTOVER_SECS < unix_secs());
            if is_old {
                rabbitmqctl(&["delete_vhost", &name]);
            }
        }
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}_{}_{number}", unix_secs(), std::process::id());
        rabbitmqctl(&["add_vhost", &name]);
        let user = BROKER.0.split(':').next().unwrap_or_default();
        rabbitmqctl(&["set_permissions", "-p", &name, user, ".*", ".*", ".*"]);
        Self { name }
    }

    /// The address of this virtual host, at the broker itself or at something in front of it.
    pub fn url(&self, host: &str) -> String {
        format!("amqp://{}@{host}/{}", BROKER.0, self.name)
    }

    /// The broker's own address.
    pub fn host() -> &'static str {
        &BROKER.1
    }

    /// A command about this virtual host.
    pub fn ctl(&self, command: &str, arguments: &[&str]) -> Vec<String> {
        let mut all = vec!["-q", command, "-p", &self.name];
        all.extend(arguments);
        lines(&rabbitmqctl(&all))
    }
}

impl Drop for Vhost {
    fn drop(&mut self) {
        rabbitmqctl(&["delete_vhost", &self.name]);
    }
}

fn rabbitmqctl(arguments: &[&str]) -> Output {
    // Several words where the broker is in a container or belongs to another user.
    let ctl = env_or("RABBITMQCTL", "rabbitmqctl");
    let mut words = ctl.split_whitespace();
    let output = Command::new(words.next().unwrap_or_default())
        .args(words)
        .args(arguments)
        .output()
        .expect("`rabbitmqctl`, or the command in RABBITMQCTL, reaches the broker of AMQP_URL");
    if !output.status.success() {
        eprintln!("rabbitmqctl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    output
}

fn lines(output: &Output) -> Vec<String> {
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

fn unix_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
