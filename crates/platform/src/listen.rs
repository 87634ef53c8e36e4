//! Where a process listens: looked at before anything is taken. Whether the port is free is found when it is taken,
//! and nowhere else: a check may run beside the process that has it.

/// Nothing can listen there.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: `{text}` is not like 127.0.0.1:8080, 0.0.0.0:8080, [::]:8080 or localhost:8080")]
pub struct BadListenAddress {
    key: &'static str,
    text: String,
}

/// Whether it is a host and a port. Looks no name up.
pub fn check(key: &'static str, text: &str) -> Result<(), BadListenAddress> {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(()),
        _ => Err(BadListenAddress { key, text: text.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_a_port() {
        for text in ["127.0.0.1:0", "[::1]:8080", "localhost:65535", "0.0.0.0:80"] {
            assert_eq!(check("listen", text), Ok(()), "{text}");
        }
        for text in ["", "8080", ":8080", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:65536"] {
            assert!(check("listen", text).is_err(), "{text}");
        }
    }
}
