//! What a user reads on the terminal, and the one line that programs read.

use std::fmt;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;

/// What a running server says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Welcome<'a> {
    /// Where the page is.
    pub address: SocketAddr,
    /// Where health and metrics are.
    pub management: SocketAddr,
    /// Where everything is kept.
    pub data: &'a Path,
    /// Anybody may sign in under any name.
    pub dev_tokens: bool,
    /// `tidings token` makes tokens that it takes.
    pub signs: bool,
}

impl Welcome<'_> {
    /// Prints it.
    pub fn print(&self) {
        say(&self.to_string());
    }
}

impl fmt::Display for Welcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let data = self.data.display();
        writeln!(f, "Tidings {} is running.", env!("CARGO_PKG_VERSION"))?;
        writeln!(f, "  Chat page  http://{}", reachable(self.address))?;
        writeln!(f, "  Data       {data} (messages and signing secret)")?;
        writeln!(f, "  Health     http://{}/health/ready", reachable(self.management))?;
        match (self.dev_tokens, self.signs) {
            (true, _) => {
                writeln!(f, "  Sign in    on the page, under any name: no password is asked")?;
                if !self.address.ip().is_loopback() {
                    writeln!(f, "             so can everybody else who reaches this address!")?;
                }
            }
            (false, true) => writeln!(f, "  Sign in    with a token, see below")?,
            (false, false) => writeln!(f, "  Sign in    with a token by your identity provider")?,
        }
        if self.signs {
            writeln!(f, "  Token      tidings token --user alice --data {data}")?;
        }
        writeln!(f, "  Stop       Ctrl-C")?;
        // For programs: the addresses that were taken when port 0 was asked for.
        write!(f, "listening http={} management={}", self.address, self.management)
    }
}

/// An address to click on: one that means every address is reached by this machine's own name.
fn reachable(address: SocketAddr) -> String {
    if address.ip().is_unspecified() || address.ip().is_loopback() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    }
}

/// Prints a line. Nobody reading is no reason to stop: the terminal may have been closed.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn welcome() -> Welcome<'static> {
        Welcome {
            address: "127.0.0.1:8080".parse().unwrap(),
            management: "127.0.0.1:9090".parse().unwrap(),
            data: Path::new("/srv/data"),
            dev_tokens: true,
            signs: true,
        }
    }

    #[test]
    fn it_says_where_it_listens_where_data_is_and_how_to_sign_in() {
        let text = welcome().to_string();
        for part in ["http://localhost:8080", "/srv/data", "under any name", "token --user alice"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let machine = text.lines().filter(|line| line.starts_with("listening "));
        assert_eq!(
            machine.collect::<Vec<_>>(),
            ["listening http=127.0.0.1:8080 management=127.0.0.1:9090"]
        );
        assert!(!text.contains("everybody else"));
    }

    #[test]
    fn open_doors_are_named_as_such() {
        let text = Welcome { address: "0.0.0.0:80".parse().unwrap(), ..welcome() }.to_string();
        assert!(text.contains("everybody else"), "{text}");
        assert!(text.contains("http://localhost:80"), "{text}");
    }

    #[test]
    fn it_promises_no_tokens_that_would_be_refused() {
        let text = Welcome { dev_tokens: false, signs: false, ..welcome() }.to_string();
        assert!(text.contains("identity provider") && !text.contains("--user"), "{text}");
        let text = Welcome { dev_tokens: false, ..welcome() }.to_string();
        assert!(!text.contains("any name") && text.contains("--user alice"), "{text}");
    }
}
