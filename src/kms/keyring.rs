//! Master keys in this process: those of a keyring file, or keys made up from their names.
//!
//! A wrapped data key, whose associated data are the master key's id and the stream's ARN:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version, 1 |
//! | 2 + n | the master key's id, its length little-endian |
//! | 12 | nonce, random |
//! | 32 | the data key, sealed with AES-256-GCM |
//! | 16 | tag |

mod file;

use std::{path::Path, sync::Arc};

use futures::{FutureExt as _, future::BoxFuture};
use millpond_api::types::{AccountId, Region, StreamArn};
use millpond_shards::crypt::{KeyService, KmsError, KmsFault, PlainKey};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hmac,
    rand::{SecureRandom, SystemRandom},
};

pub use self::file::InvalidKeyring;
use self::file::KeyringFile;
use super::key_id::KeyId;

const VERSION: u8 = 1;

/// Bytes of a sealed data key and its tag.
const SEALED_BYTES: usize = 48;

/// What made-up keys are made of, beside their names. No secret.
const MADE_UP: &[u8] = b"millpond dev";

/// A master key.
#[derive(Debug)]
struct MasterKey {
    id: String,
    aliases: Vec<String>,
    region: Option<Region>,
    account: Option<AccountId>,
    material: PlainKey,
    is_enabled: bool,
}

/// Master keys, by which data keys are wrapped here.
pub struct Keyring(Source);

enum Source {
    File(KeyringFile),
    MadeUp,
}

impl Keyring {
    /// The keys of a file, which is read again when it has changed.
    ///
    /// # Errors
    /// When the file can't be read, others than its owner may read it, or a key in it is wrong.
    pub fn read(path: &Path) -> Result<Self, InvalidKeyring> {
        Ok(Self(Source::File(KeyringFile::open(path)?)))
    }

    /// Every key that can be named, made of its name alone: the same in every process, and no
    /// secret.
    #[must_use]
    pub fn made_up() -> Self {
        Self(Source::MadeUp)
    }

    async fn find(&self, key_id: &str, stream: &StreamArn) -> Result<Arc<MasterKey>, KmsError> {
        let id = KeyId::of_request(key_id)?;
        match &self.0 {
            Source::MadeUp => Ok(Arc::new(MasterKey::made_up(&made_up_name(&id, stream)))),
            Source::File(file) => file.keys().await.find(&id, stream)?.usable(),
        }
    }

    async fn find_own(&self, own_id: &str) -> Result<Arc<MasterKey>, KmsError> {
        match &self.0 {
            Source::MadeUp => Ok(Arc::new(MasterKey::made_up(own_id))),
            Source::File(file) => file.keys().await.find_own(own_id)?.usable(),
        }
    }
}

impl KeyService for Keyring {
    fn generate<'a>(
        &'a self,
        key_id: &'a str,
        stream: &'a StreamArn,
    ) -> BoxFuture<'a, Result<Vec<u8>, KmsError>> {
        async move { Ok(self.find(key_id, stream).await?.wrap_new(stream)) }.boxed()
    }

    fn decrypt<'a>(
        &'a self,
        wrapped: &'a [u8],
        stream: &'a StreamArn,
    ) -> BoxFuture<'a, Result<PlainKey, KmsError>> {
        let decrypt = async move {
            let wrapped = Wrapped::parse(wrapped).ok_or_else(|| {
                let words = "A data key of this stream was wrapped by another key service.";
                KmsError::new(KmsFault::InvalidState, words)
            })?;
            self.find_own(wrapped.id).await?.unwrap(&wrapped, stream)
        };
        decrypt.boxed()
    }
}

/// Two names of one key in dev are two keys, but a name and its ARN are one.
fn made_up_name(id: &KeyId, stream: &StreamArn) -> String {
    let (region, account) = id.place_or_that_of(stream);
    format!("{region}/{account}/{}", id.name)
}

impl MasterKey {
    fn made_up(name: &str) -> Self {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, MADE_UP), name.as_bytes());
        let material = PlainKey::from_slice(tag.as_ref()).expect("an HMAC-SHA256 has 32 bytes");
        let (id, aliases) = (name.to_owned(), Vec::new());
        Self { id, aliases, region: None, account: None, material, is_enabled: true }
    }

    fn usable(self: Arc<Self>) -> Result<Arc<Self>, KmsError> {
        if self.is_enabled {
            return Ok(self);
        }
        Err(KmsError::new(KmsFault::Disabled, format!("Key '{}' is disabled.", self.id)))
    }

    fn cipher(&self) -> LessSafeKey {
        let key = UnboundKey::new(&AES_256_GCM, self.material.expose());
        LessSafeKey::new(key.expect("a key has 32 bytes"))
    }

    fn associated(&self, stream: &StreamArn) -> Aad<Vec<u8>> {
        Aad::from(format!("{}\0{stream}", self.id).into_bytes())
    }

    /// A new data key, wrapped.
    fn wrap_new(&self, stream: &StreamArn) -> Vec<u8> {
        let random = SystemRandom::new();
        let (mut sealed, mut nonce) = (Vec::with_capacity(SEALED_BYTES), [0; NONCE_LEN]);
        sealed.resize(32, 0);
        let drawn = random.fill(&mut sealed).and_then(|()| random.fill(&mut nonce));
        drawn.expect("the system gives random bytes");
        let unique = Nonce::assume_unique_for_key(nonce);
        let done =
            self.cipher().seal_in_place_append_tag(unique, self.associated(stream), &mut sealed);
        done.expect("a key is shorter than 64 GiB");
        let length = u16::try_from(self.id.len()).expect("names of keys are shorter");
        let mut wrapped = vec![VERSION];
        wrapped.extend(length.to_le_bytes());
        wrapped.extend(self.id.as_bytes());
        wrapped.extend(nonce);
        wrapped.extend(sealed);
        wrapped
    }

    fn unwrap(&self, wrapped: &Wrapped<'_>, stream: &StreamArn) -> Result<PlainKey, KmsError> {
        let nonce = Nonce::assume_unique_for_key(*wrapped.nonce);
        let mut sealed = wrapped.sealed.to_vec();
        let opened = self.cipher().open_in_place(nonce, self.associated(stream), &mut sealed);
        let plain = opened.ok().and_then(|plain| PlainKey::from_slice(plain));
        sealed.fill(0);
        plain.ok_or_else(|| {
            let words = format!(
                "Key '{}' is not the one that wrapped the data key of this stream.",
                self.id
            );
            KmsError::new(KmsFault::InvalidState, words)
        })
    }
}

/// A wrapped data key, taken apart.
struct Wrapped<'a> {
    id: &'a str,
    nonce: &'a [u8; NONCE_LEN],
    sealed: &'a [u8],
}

impl<'a> Wrapped<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first()?;
        if *version != VERSION {
            return None;
        }
        let (length, rest) = rest.split_first_chunk()?;
        let (id, rest) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
        let (nonce, sealed) = rest.split_first_chunk()?;
        Some(Self { id: std::str::from_utf8(id).ok()?, nonce, sealed })
    }
}

#[cfg(test)]
mod tests;
