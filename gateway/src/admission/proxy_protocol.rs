//! The PROXY protocol, versions 1 and 2: the first bytes of a connection, in which a load balancer says
//! whose it is. Read only from listed networks, and to the byte: what follows is the client's.
//!
//! Source: the specification of HAProxy, "The PROXY protocol", versions 1 and 2.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tokio::io::{AsyncRead, AsyncReadExt};

/// What a header of version 2 begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Longest line of version 1, with its end.
const LINE_BYTES: usize = 107;
/// Longest rest of version 2 that is read: addresses and a handful of extensions.
const REST_BYTES: usize = 2 << 10;

/// No header of the PROXY protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no header of the PROXY protocol")]
pub(crate) struct NoHeader;

/// Reads the header. None when the load balancer speaks for itself, such as for a health check.
pub(crate) async fn read<R>(from: &mut R) -> Result<Option<IpAddr>, NoHeader>
where
    R: AsyncRead + Unpin,
{
    let mut head = [0; 12];
    fill(from, &mut head).await?;
    if head == SIGNATURE {
        let mut fixed = [0; 4];
        fill(from, &mut fixed).await?;
        let [version_command, family, high, low] = fixed;
        let mut rest = vec![0; usize::from(u16::from_be_bytes([high, low]))];
        if rest.len() > REST_BYTES {
            return Err(NoHeader);
        }
        fill(from, &mut rest).await?;
        return version_2(version_command, family, &rest);
    }
    if !head.starts_with(b"PROXY ") {
        return Err(NoHeader);
    }
    let mut line = head.to_vec();
    while !line.ends_with(b"\r\n") {
        if line.len() >= LINE_BYTES {
            return Err(NoHeader);
        }
        line.push(from.read_u8().await.map_err(|_| NoHeader)?);
    }
    version_1(&line[..line.len() - 2])
}

async fn fill<R: AsyncRead + Unpin>(from: &mut R, buffer: &mut [u8]) -> Result<(), NoHeader> {
    from.read_exact(buffer).await.map(|_| ()).map_err(|_| NoHeader)
}

/// `PROXY TCP4 source target source-port target-port`.
fn version_1(line: &[u8]) -> Result<Option<IpAddr>, NoHeader> {
    let text = std::str::from_utf8(line).map_err(|_| NoHeader)?;
    let fields: Vec<&str> = text.split(' ').collect();
    match fields.as_slice() {
        ["PROXY", "UNKNOWN", ..] => Ok(None),
        ["PROXY", family @ ("TCP4" | "TCP6"), source, target, source_port, target_port] => {
            let (source, target): (IpAddr, IpAddr) =
                (source.parse().map_err(|_| NoHeader)?, target.parse().map_err(|_| NoHeader)?);
            let is_port = |text: &str| text.parse::<u16>().is_ok();
            let fits = source.is_ipv4() == (*family == "TCP4")
                && target.is_ipv4() == source.is_ipv4()
                && is_port(source_port)
                && is_port(target_port);
            if fits { Ok(Some(source)) } else { Err(NoHeader) }
        }
        _ => Err(NoHeader),
    }
}

fn version_2(version_command: u8, family: u8, rest: &[u8]) -> Result<Option<IpAddr>, NoHeader> {
    match (version_command, family >> 4) {
        (0x21, 1) => match rest {
            [a, b, c, d, _, _, _, _, _, _, _, _, ..] => {
                Ok(Some(Ipv4Addr::new(*a, *b, *c, *d).into()))
            }
            _ => Err(NoHeader),
        },
        (0x21, 2) if rest.len() >= 36 => {
            let source: [u8; 16] = rest[..16].try_into().map_err(|_| NoHeader)?;
            Ok(Some(Ipv6Addr::from(source).into()))
        }
        // LOCAL: the balancer's own connection. Unspecified or a local socket: there is no address.
        (0x20, _) | (0x21, 0 | 3) => Ok(None),
        _ => Err(NoHeader),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the header says, and what is left for the client's request.
    fn said(bytes: &[u8]) -> (Result<Option<IpAddr>, NoHeader>, Vec<u8>) {
        let mut rest = bytes;
        let said = futures_util::FutureExt::now_or_never(read(&mut rest)).unwrap();
        (said, rest.to_vec())
    }

    fn v2(version_command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let mut header = SIGNATURE.to_vec();
        header.extend([version_command, family]);
        header.extend((body.len() as u16).to_be_bytes());
        header.extend(body);
        header
    }

    #[test]
    fn version_1_names_the_client_and_leaves_its_bytes() {
        let (said4, rest) = said(b"PROXY TCP4 198.51.100.1 10.0.0.1 5 80\r\nGET / HTTP/1.1\r\n");
        assert_eq!(said4, Ok(Some("198.51.100.1".parse().unwrap())));
        assert_eq!(rest, b"GET / HTTP/1.1\r\n");
        let (said6, _) = said(b"PROXY TCP6 2001:db8::1 fd00::1 5 80\r\n");
        assert_eq!(said6, Ok(Some("2001:db8::1".parse().unwrap())));
        assert_eq!(said(b"PROXY UNKNOWN\r\nGET").0, Ok(None));
        assert_eq!(said(b"PROXY UNKNOWN\r\nGET").1, b"GET");
        assert_eq!(said(b"PROXY UNKNOWN ffff:f::1 ::1 65535 65535\r\n").0, Ok(None));
    }

    #[test]
    fn version_2_names_the_client_and_skips_extensions() {
        let mut four = vec![198, 51, 100, 1, 10, 0, 0, 1, 0, 5, 0, 80];
        four.extend([0x04, 0, 2, 9, 9]);
        let mut bytes = v2(0x21, 0x11, &four);
        bytes.extend(b"GET");
        assert_eq!(said(&bytes), (Ok(Some("198.51.100.1".parse().unwrap())), b"GET".to_vec()));
        let mut six = [0; 36];
        six[..2].copy_from_slice(&[0x20, 1]);
        assert_eq!(said(&v2(0x21, 0x21, &six)).0, Ok(Some("2001::".parse().unwrap())));
        assert_eq!(said(&v2(0x20, 0, &[])).0, Ok(None), "a health check");
        assert_eq!(said(&v2(0x21, 0, &[])).0, Ok(None));
    }

    #[test]
    fn anything_else_is_refused() {
        let long = [b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat();
        let cases: [&[u8]; 9] = [
            b"",
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"PROXY TCP4 198.51.100.1 10.0.0.1 5\r\n",
            b"PROXY TCP4 2001:db8::1 fd00::1 5 80\r\n",
            b"PROXY TCP4 198.51.100.1 10.0.0.1 5 99999\r\n",
            b"PROXY TCP4 host 10.0.0.1 5 80\r\n",
            b"PROXY TCP4 198.51.100.1 10.0.0.1 5 80",
            b"PROXY \xff\xfe\r\n      ",
            &long,
        ];
        for bytes in cases {
            assert_eq!(said(bytes).0, Err(NoHeader), "{}", String::from_utf8_lossy(bytes));
        }
        for bytes in [
            v2(0x31, 0x11, &[0; 12]),
            v2(0x21, 0x11, &[0; 11]),
            v2(0x21, 0x21, &[0; 35]),
            v2(0x21, 0x51, &[0; 36]),
            v2(0x21, 0x11, &[0; 4_000]),
            SIGNATURE.to_vec(),
        ] {
            assert_eq!(said(&bytes).0, Err(NoHeader));
        }
    }
}
