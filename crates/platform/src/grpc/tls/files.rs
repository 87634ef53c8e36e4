//! The three PEM files of one side: read together, and checked before anything is made of them.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

/// Largest file that is read.
const MOST_BYTES: u64 = 1 << 20;

/// Why files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Some are named and others are not.
    #[error("{0}: not set; TLS needs it beside the other two files")]
    Missing(String),
    /// None is named where they are needed.
    #[error("{0}: an https:// URL needs {0}.ca_file, {0}.cert_file and {0}.key_file")]
    NoFiles(&'static str),
    /// Files are named that nothing uses.
    #[error("{0}.urls: certificates are configured, so every URL must begin with https://")]
    NoTls(&'static str),
    /// One cannot be read.
    #[error("{key}: {path}: {error}")]
    Unreadable {
        /// The configuration key.
        key: String,
        /// What stands there.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// One does not hold what it should.
    #[error("{key}: {path}: {what}")]
    Unusable {
        /// The configuration key.
        key: String,
        /// What stands there.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

/// A configured path and its key.
#[derive(Debug, Clone)]
struct Named {
    key: String,
    path: PathBuf,
}

/// Where the files are.
#[derive(Debug, Clone)]
pub(in super::super) struct Files {
    cert: Named,
    key: Named,
    ca: Named,
}

/// What the files hold.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Pems {
    pub(super) cert: Vec<u8>,
    pub(super) key: Vec<u8>,
    pub(super) ca: Vec<u8>,
}

/// Checked files.
#[derive(Clone)]
pub(super) struct Material {
    pub(super) pems: Pems,
    pub(super) certified: Arc<CertifiedKey>,
    pub(super) roots: Arc<RootCertStore>,
    /// When the first certificate of the chain ends, in seconds since 1970.
    pub(super) not_after: i64,
}

impl std::fmt::Debug for Material {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the key.
        f.debug_struct("Material").field("not_after", &self.not_after).finish_non_exhaustive()
    }
}

impl Files {
    pub(super) fn of(
        cert: (&str, Option<&Path>),
        key: (&str, Option<&Path>),
        ca: (&str, Option<&Path>),
    ) -> Result<Option<Self>, Vec<FileError>> {
        if [&cert, &key, &ca].iter().all(|(_, path)| path.is_none()) {
            return Ok(None);
        }
        let named = |(key, path): (&str, Option<&Path>)| match path {
            Some(path) => Ok(Named { key: key.to_owned(), path: path.to_owned() }),
            None => Err(FileError::Missing(key.to_owned())),
        };
        match (named(cert), named(key), named(ca)) {
            (Ok(cert), Ok(key), Ok(ca)) => Ok(Some(Self { cert, key, ca })),
            (cert, key, ca) => Err([cert, key, ca].into_iter().filter_map(Result::err).collect()),
        }
    }

    /// Blocks. Tells of every file that cannot be read.
    pub(super) fn read(&self) -> Result<Pems, Vec<FileError>> {
        match (self.cert.read(), self.key.read(), self.ca.read()) {
            (Ok(cert), Ok(key), Ok(ca)) => Ok(Pems { cert, key, ca }),
            (cert, key, ca) => Err([cert, key, ca].into_iter().filter_map(Result::err).collect()),
        }
    }

    /// Checks that the chain, the key and the authorities are some and belong together.
    pub(super) fn check(&self, pems: Pems) -> Result<Material, FileError> {
        let chain = self.cert.certificates(&pems.cert)?;
        let key = PrivateKeyDer::from_pem_slice(&pems.key)
            .map_err(|error| self.key.unusable(format!("holds no private key: {error}")))?;
        let mut not_after = i64::MAX;
        for certificate in &chain {
            let (_, certificate) = x509_parser::parse_x509_certificate(certificate)
                .map_err(|error| self.cert.unusable(format!("is no certificate: {error}")))?;
            not_after = not_after.min(certificate.validity().not_after.timestamp());
        }
        let mut roots = RootCertStore::empty();
        for authority in self.ca.certificates(&pems.ca)? {
            roots.add(authority).map_err(|error| self.ca.unusable(error.to_string()))?;
        }
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let certified = CertifiedKey::from_der(chain, key, &provider).map_err(|error| {
            self.key.unusable(format!("does not fit {}: {error}", self.cert.path.display()))
        })?;
        Ok(Material { pems, certified: Arc::new(certified), roots: Arc::new(roots), not_after })
    }

    /// About the authorities.
    pub(super) fn bad_authority(&self, what: String) -> FileError {
        self.ca.unusable(what)
    }
}

impl Named {
    fn read(&self) -> Result<Vec<u8>, FileError> {
        let unreadable =
            |error| FileError::Unreadable { key: self.key.clone(), path: self.path.clone(), error };
        let mut bytes = Vec::new();
        let file = std::fs::File::open(&self.path).map_err(unreadable)?;
        file.take(MOST_BYTES).read_to_end(&mut bytes).map_err(unreadable)?;
        Ok(bytes)
    }

    fn certificates(&self, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, FileError> {
        let all = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        let all = all.map_err(|error| self.unusable(format!("is no PEM: {error}")))?;
        if all.is_empty() {
            return Err(self.unusable("holds no certificate as PEM".to_owned()));
        }
        Ok(all)
    }

    fn unusable(&self, what: String) -> FileError {
        FileError::Unusable { key: self.key.clone(), path: self.path.clone(), what }
    }
}
