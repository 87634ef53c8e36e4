//! All keys of a verifier, and the files they come from: read again, each by itself, and kept as they were
//! when that fails.

use std::path::{Path, PathBuf};

use super::keys::{self, KEY_SET_FILE, Key, PUBLIC_KEY_FILE, SECRET_FILE};
use super::{AuthConfig, Section, TokenSetupError};

/// A file with keys.
#[derive(Clone)]
struct KeyFile {
    /// The configuration key that names it.
    key: &'static str,
    path: PathBuf,
    /// What stood there when it was read last.
    bytes: Vec<u8>,
    keys: Vec<Key>,
}

impl KeyFile {
    fn read(key: &'static str, path: &Path) -> Result<Self, TokenSetupError> {
        let bytes = keys::read_file(key, path)?;
        let keys = keys::of_file(key, path, &bytes)?;
        Ok(Self { key, path: path.to_owned(), bytes, keys })
    }
}

/// Everything that a section of the configuration names.
#[derive(Clone)]
pub(super) struct Ring {
    section: Section,
    inline: Option<Key>,
    files: Vec<KeyFile>,
}

/// What reading the files again did.
#[derive(Debug, Default)]
pub struct Reread {
    /// Files with other keys than before, by the key of the configuration that names each.
    pub changed: Vec<String>,
    /// Files that are not usable now; their last good keys stay.
    pub failed: Vec<TokenSetupError>,
}

impl Ring {
    /// Reads everything, and tells of each part that cannot be used.
    pub(super) fn read(
        section: &Section,
        config: &AuthConfig,
    ) -> Result<Self, Vec<TokenSetupError>> {
        let named = [
            (SECRET_FILE, &config.hs256_secret_file),
            (PUBLIC_KEY_FILE, &config.public_key_file),
            (KEY_SET_FILE, &config.jwks_file),
        ];
        let mut wrong = Vec::new();
        let inline = keys::inline_key(config).unwrap_or_else(|error| {
            wrong.push(error);
            None
        });
        let mut ring = Self { section: section.clone(), inline, files: Vec::new() };
        for (key, path) in named {
            if let Some(path) = path {
                match KeyFile::read(key, path) {
                    Ok(file) => ring.files.push(file),
                    Err(error) => wrong.push(error),
                }
            }
        }
        if wrong.is_empty() && ring.keys().next().is_none() {
            wrong.push(TokenSetupError::NoKey { section: section.clone() });
        }
        if wrong.is_empty() {
            return Ok(ring);
        }
        Err(wrong.into_iter().map(|error| error.within(section)).collect())
    }

    /// All keys.
    pub(super) fn keys(&self) -> impl Iterator<Item = Key> {
        self.inline.iter().chain(self.files.iter().flat_map(|file| &file.keys)).cloned()
    }

    /// Reads the files again.
    pub(super) fn reread(&mut self) -> Reread {
        let mut reread = Reread::default();
        for file in &mut self.files {
            let read = keys::read_file(file.key, &file.path);
            let read = read.and_then(|bytes| {
                if bytes == file.bytes {
                    return Ok(None);
                }
                let keys = keys::of_file(file.key, &file.path, &bytes)?;
                Ok(Some((bytes, keys)))
            });
            match read {
                Ok(None) => {}
                Ok(Some((bytes, keys))) => {
                    (file.bytes, file.keys) = (bytes, keys);
                    reread.changed.push(format!("{}.{}", self.section, file.key));
                }
                Err(error) => reread.failed.push(error.within(&self.section)),
            }
        }
        reread
    }
}
