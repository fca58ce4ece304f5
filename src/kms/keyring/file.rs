//! The keyring file: master keys as TOML, readable by its owner only, and read again when it has
//! changed.
//!
//! ```toml
//! [[key]]
//! id = "1234abcd-12ab-34cd-56ef-1234567890ab"  # or the ARN of a key
//! aliases = ["alias/aws/kinesis"]
//! account = "123456789012"                     # unless every account may use it
//! material = "..."                             # 32 random bytes in base64
//! state = "enabled"                            # or "disabled"
//! ```

use std::{
    fs::Metadata,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use base64_simd::STANDARD as BASE64;
use millpond_api::types::{AccountId, StreamArn};
use millpond_shards::crypt::{KmsError, KmsFault, PlainKey};
use serde::Deserialize;
use thiserror::Error;

use super::{super::key_id, KeyId, MasterKey};
use crate::{
    secret_file::{self, NotRead},
    toml_text,
};

/// Bytes that a keyring may have; room for some thousand keys.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Why a keyring can't be used: one sentence, which quotes nothing that could be a secret.
#[derive(Debug, Error)]
#[error("keyring {}: {mistake}", path.display())]
pub struct InvalidKeyring {
    path: PathBuf,
    mistake: Mistake,
}

/// What can be wrong with a keyring.
#[derive(Debug, Error)]
enum Mistake {
    #[error(transparent)]
    NotRead(#[from] NotRead),
    #[error(
        "line {0} is wrong: a [[key]] has id and material, and may have aliases, account and state"
    )]
    Syntax(usize),
    #[error("it holds no [[key]]")]
    Empty,
    #[error("[[key]] number {place}: {wrong}")]
    Key { place: usize, wrong: WrongKey },
}

/// What can be wrong with one key.
#[derive(Debug, Error)]
enum WrongKey {
    #[error("its id is no id of a key: that is a UUID, or the ARN of a key")]
    Id,
    #[error("an alias is none: that is alias/ and a name")]
    Alias,
    #[error("its account is not twelve digits, such as 123456789012")]
    Account,
    #[error("its account is another one than in its ARN")]
    OtherAccount,
    #[error("its material is not 32 bytes in base64; make some with openssl rand -base64 32")]
    Material,
    #[error("number {0} has the same id, or the same alias")]
    Twice(usize),
}

/// What is in the file, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    key: Vec<WrittenKey>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenKey {
    id: String,
    #[serde(default)]
    aliases: Vec<String>,
    account: Option<String>,
    material: String,
    #[serde(default)]
    state: KeyState,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum KeyState {
    #[default]
    Enabled,
    Disabled,
}

/// The keys of a file at one moment.
pub(super) struct Keys(Vec<Arc<MasterKey>>);

/// A keyring, and how it was when it was read.
pub(super) struct KeyringFile {
    path: PathBuf,
    read: Arc<ArcSwap<Reading>>,
}

struct Reading {
    stamp: Option<Stamp>,
    keys: Arc<Keys>,
}

/// What changes when a file does.
type Stamp = (u64, u64, i64, i64, u32);

impl KeyringFile {
    pub(super) fn open(path: &Path) -> Result<Self, InvalidKeyring> {
        let (stamp, keys) = read(path)?;
        let reading = Reading { stamp: Some(stamp), keys: Arc::new(keys) };
        let read = Arc::new(ArcSwap::from_pointee(reading));
        Ok(Self { path: path.to_owned(), read })
    }

    /// The keys as they are now. A file that can't be used any more is passed over.
    pub(super) async fn keys(&self) -> Arc<Keys> {
        let (path, latest) = (self.path.clone(), Arc::clone(&self.read));
        // The file may be on a disk that is slow. Keys are asked for every few minutes.
        tokio::task::spawn_blocking(move || refresh(&path, &latest)).await.ok();
        Arc::clone(&self.read.load().keys)
    }
}

fn refresh(path: &Path, latest: &ArcSwap<Reading>) {
    let stamp = path.metadata().ok().as_ref().map(stamp);
    let before = latest.load();
    if stamp == before.stamp {
        return;
    }
    let reading = match read(path) {
        Ok((stamp, keys)) => {
            tracing::info!(keyring = %path.display(), keys = keys.0.len(), "keyring read again");
            Reading { stamp: Some(stamp), keys: Arc::new(keys) }
        }
        Err(error) => {
            tracing::warn!(%error, "keyring not read again, its last keys stay in use");
            // What keeps it from being read may pass, and leave no mark on the file.
            if let Mistake::NotRead(NotRead::Unreadable(_)) = error.mistake {
                return;
            }
            Reading { stamp, keys: Arc::clone(&before.keys) }
        }
    };
    latest.store(Arc::new(reading));
}

fn stamp(metadata: &Metadata) -> Stamp {
    (metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec(), metadata.mode())
}

fn read(path: &Path) -> Result<(Stamp, Keys), InvalidKeyring> {
    let wrong = |mistake| InvalidKeyring { path: path.to_owned(), mistake };
    let (text, metadata) =
        secret_file::read(path, FILE_BYTES_MAX).map_err(|fault| wrong(fault.into()))?;
    Ok((stamp(&metadata), Keys::parse(&text).map_err(wrong)?))
}

impl Keys {
    fn parse(text: &str) -> Result<Self, Mistake> {
        // Not the error's own words, which quote what is there: it may be a key's material.
        let written: Written =
            toml::from_str(text).map_err(|error| Mistake::Syntax(toml_text::line(text, &error)))?;
        let mut keys: Vec<Arc<MasterKey>> = Vec::new();
        for (written, place) in written.key.into_iter().zip(1..) {
            let wrong = |wrong| Mistake::Key { place, wrong };
            let key = written.into_key().map_err(wrong)?;
            if let Some(other) = keys.iter().position(|other| other.shares_name(&key)) {
                return Err(wrong(WrongKey::Twice(other + 1)));
            }
            keys.push(Arc::new(key));
        }
        if keys.is_empty() {
            return Err(Mistake::Empty);
        }
        Ok(Self(keys))
    }

    /// The key that a request for a stream names.
    pub(super) fn find(&self, id: &KeyId, stream: &StreamArn) -> Result<Arc<MasterKey>, KmsError> {
        let (region, account) = id.place_or_that_of(stream);
        let is_there = |key: &&Arc<MasterKey>| {
            key.account.is_none_or(|of| of == account)
                && key.region.as_ref().is_none_or(|of| *of == region)
                && key.is_named(&id.name)
        };
        let key = self.0.iter().find(is_there).ok_or_else(|| not_found(&id.to_string()))?;
        if key.account.is_some_and(|of| of != stream.account) {
            let words =
                format!("The stream {stream} may not use key '{id}', which is another account's.");
            return Err(KmsError::new(KmsFault::AccessDenied, words));
        }
        Ok(Arc::clone(key))
    }

    /// The key of this own id.
    pub(super) fn find_own(&self, own_id: &str) -> Result<Arc<MasterKey>, KmsError> {
        let key = self.0.iter().find(|key| key.id == own_id);
        key.cloned().ok_or_else(|| not_found(own_id))
    }
}

fn not_found(name: &str) -> KmsError {
    let words = format!("Key '{name}' does not exist in this server's keyring.");
    KmsError::new(KmsFault::NotFound, words)
}

impl MasterKey {
    fn is_named(&self, name: &str) -> bool {
        self.id.eq_ignore_ascii_case(name) || self.aliases.iter().any(|alias| alias == name)
    }

    /// Whether both could be meant at once by some name.
    fn shares_name(&self, other: &MasterKey) -> bool {
        let apart = |a: bool, b: bool, same: bool| a && b && !same;
        let accounts =
            apart(self.account.is_some(), other.account.is_some(), self.account == other.account);
        let regions =
            apart(self.region.is_some(), other.region.is_some(), self.region == other.region);
        let shared = self.aliases.iter().any(|alias| other.aliases.contains(alias));
        self.id.eq_ignore_ascii_case(&other.id) || (shared && !accounts && !regions)
    }
}

impl WrittenKey {
    fn into_key(self) -> Result<MasterKey, WrongKey> {
        let parsed = KeyId::parse(&self.id).filter(|id| !id.is_alias());
        let KeyId { place, name: id } = parsed.ok_or(WrongKey::Id)?;
        if !self.aliases.iter().all(|alias| key_id::is_alias(alias)) {
            return Err(WrongKey::Alias);
        }
        let (region, of_arn) = place.unzip();
        let given = self.account.as_deref().map(str::parse::<AccountId>).transpose();
        let given = given.map_err(|_| WrongKey::Account)?;
        if of_arn.is_some() && given.is_some() && of_arn != given {
            return Err(WrongKey::OtherAccount);
        }
        let bytes = BASE64.decode_to_vec(self.material.trim()).ok();
        let material = bytes.and_then(|bytes| PlainKey::from_slice(&bytes));
        let material = material.ok_or(WrongKey::Material)?;
        let is_enabled = self.state == KeyState::Enabled;
        let account = of_arn.or(given);
        Ok(MasterKey { id, aliases: self.aliases, region, account, material, is_enabled })
    }
}
