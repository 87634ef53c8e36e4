//! How a backend is reached: its address, and the authorities that its certificate must be by. Both may stand in files
//! that are replaced while the process runs.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::address::{Address, AddressError, Addresses, Check, Content};
use crate::secret::Secret;

/// Where a backend is, and whom to believe that it is the one.
#[derive(Debug, Clone)]
pub struct Backend {
    address: Address,
    /// None: those of the system.
    authorities: Option<Address>,
}

/// What a connection is opened with.
#[derive(Debug)]
pub struct Reached {
    /// The address, with its password.
    pub url: Secret,
    /// The authorities as PEM; none: those of the system.
    pub authorities: Option<String>,
}

impl Backend {
    /// Of the keys `url`, `url_file` and `ca_file` of a section. With authorities the check has to refuse an address
    /// without TLS, for which they would be nothing.
    pub fn open(
        section: &'static str,
        url: &str,
        url_file: Option<&Path>,
        ca_file: Option<&Path>,
        check: Check,
    ) -> Result<Self, Vec<AddressError>> {
        let content = Content { what: "authority", section, key: "ca_file" };
        let authorities = ca_file.map(|path| Address::in_file(content, path, check_authorities));
        match (Address::open(section, url, url_file, check), authorities.transpose()) {
            (Ok(address), Ok(authorities)) => Ok(Self { address, authorities }),
            (address, authorities) => {
                Err([address.err(), authorities.err()].into_iter().flatten().collect())
            }
        }
    }

    /// The last good address. Reads nothing.
    pub fn last_good(&self) -> Secret {
        self.address.last_good()
    }

    /// Reads the files again, if there are any: what to connect with now. Blocks for as long as small files take.
    pub fn present(&self) -> Reached {
        let pem = |authorities: &Address| authorities.present().expose().to_owned();
        Reached { url: self.address.present(), authorities: self.authorities.as_ref().map(pem) }
    }
}

impl Addresses {
    /// See [`Addresses::keep`]: for a backend whose files are read before each connection anyway.
    pub fn keep_backend(&self, backend: &Backend) {
        self.keep(&backend.address, |_| {});
        if let Some(authorities) = &backend.authorities {
            self.keep(authorities, |_| {});
        }
    }
}

/// Whether a text is certificates of authorities, or what is wrong with it.
fn check_authorities(pem: &str) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| format!("is no PEM: {error}"))?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() {
        return Err("holds no certificate as PEM".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_https(text: &str) -> Result<(), String> {
        if text.starts_with("https://") { Ok(()) } else { Err("not like https://host".to_owned()) }
    }

    fn authority() -> String {
        let key = rcgen::KeyPair::generate().unwrap();
        rcgen::CertificateParams::default().self_signed(&key).unwrap().pem()
    }

    #[test]
    fn each_connection_is_opened_with_the_last_good_authorities() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.crt");
        let [first, second] = [authority(), authority() + &authority()];
        std::fs::write(&file, &first).unwrap();
        let backend = Backend::open("some", "https://h", None, Some(&file), is_https).unwrap();
        let present = || backend.present().authorities.unwrap();
        assert_eq!(present(), first.trim());
        std::fs::write(&file, &second).unwrap();
        assert_eq!(present(), second.trim());
        for text in ["", "no PEM at all", &first[..first.len() / 2]] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(present(), second.trim(), "{text:?}");
        }
        std::fs::remove_file(&file).unwrap();
        assert_eq!(present(), second.trim());
        std::fs::write(&file, &first).unwrap();
        assert_eq!(present(), first.trim());
    }

    #[test]
    fn every_mistake_of_the_start_is_told_with_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.crt");
        let open = |url| Backend::open("some", url, None, Some(&file), is_https);
        let mistakes = open("http://h").unwrap_err();
        assert_eq!(mistakes[0].to_string(), "some.url: not like https://host");
        let missing = mistakes[1].to_string();
        assert!(missing.starts_with("some.ca_file: cannot read /"), "{missing}");
        std::fs::write(&file, "hello").unwrap();
        let empty = open("https://h").unwrap_err()[0].to_string();
        assert!(
            empty.starts_with("some.ca_file: /") && empty.ends_with("certificate as PEM"),
            "{empty}"
        );
        std::fs::write(&file, "x".repeat((1 << 20) + 1)).unwrap();
        let large = open("https://h").unwrap_err()[0].to_string();
        assert!(large.ends_with("larger than 1 MiB"), "{large}");
    }

    #[test]
    fn without_a_file_the_authorities_are_those_of_the_system() {
        let backend = Backend::open("some", "https://h", None, None, is_https).unwrap();
        assert!(backend.present().authorities.is_none());
    }
}
