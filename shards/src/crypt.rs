//! Encryption at rest: records of a stream with StartStreamEncryption are stored sealed, one by
//! one, with AES-256-GCM.
//!
//! **Envelope.** Each application of a master key to a stream has a *data key* of its own. A
//! [`KeyService`] makes it, and gives it in two forms: plain, which never leaves this process'
//! memory, and *wrapped* under the master key, which is stored with the stream and can be opened
//! only by the service again. A plain data key is forgotten after [`limits::DATA_KEY_LIFE`], so a
//! master key that is disabled, lost or exchanged takes effect then; a wrapped one is kept until
//! the last record under it has expired.
//!
//! **What is sealed.** The data. The partition key, the stream's number and the data key's number
//! are authenticated with it: a sealed record that is moved to another key or another stream
//! doesn't open. The partition key and the explicit hash key stay readable, as resharding and
//! routing go by them.
//!
//! **Nonces never repeat under one data key.** A nonce is one byte of lease, eight random bytes and
//! three bytes of counter. A [`Lease`] of 2^24 nonces is taken by one commit of the metadata, which
//! is durable before the first of them is used: a lease is never taken twice, whether the server
//! ends well or crashes, and within a lease all requests count with the same atomic. The random
//! bytes are drawn anew for each lease, so that two copies of a data directory, such as a backup
//! that is started beside the original, don't repeat each other either. There are 256 leases, thus
//! 2^32 records under a data key; then a new data key is made under the same master key.

use std::{sync::Arc, time::Duration};

use millpond_api::types::{StreamStatus, Timestamp};
use millpond_quotas::{Clock, Time, limits};

mod cipher;
mod lease;
mod service;
#[cfg(any(test, feature = "test-util"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod vault;

pub use cipher::{Cipher, PlainKey};
pub(crate) use cipher::{NONCE_BYTES, TAG_BYTES};
pub use lease::{Lease, Sealing};
pub use service::{KeyService, KmsError, KmsFault, NewDataKey};
pub(crate) use vault::Vault;

use crate::{
    Error,
    control::Control,
    directory::{Directory, Stream},
    shard::Reading,
    state::{Command, EncryptionCommand},
    stream::encryption::{DataKey, DataKeyNumber},
};

/// How often the keys of a stream may change under a request before it gives up.
const ATTEMPTS_MAX: usize = 5;

/// How long a request waits for a key to be ready.
const READY_DEADLINE: Duration = Duration::from_secs(10);

/// Seals and opens records with the keys of their streams.
#[derive(Clone)]
pub struct Crypt {
    directory: Arc<Directory>,
    control: Control,
    keys: Arc<dyn KeyService>,
    clock: Clock,
}

impl Crypt {
    pub(crate) fn new(
        directory: Arc<Directory>,
        control: Control,
        keys: Arc<dyn KeyService>,
        clock: Clock,
    ) -> Self {
        Self { directory, control, keys, clock }
    }

    /// StartStreamEncryption: what is written from now on is sealed under `key_id`, which must be
    /// usable now.
    ///
    /// # Errors
    /// `Kms` when the key can't be used, and those of [`EncryptionCommand::Start`].
    pub async fn start(
        &self,
        stream: &Stream,
        key_id: &str,
        now: Timestamp,
        due: Timestamp,
    ) -> Result<(), Error> {
        let state = stream.state();
        let arn = &state.arn;
        if state.status != StreamStatus::Active {
            return Err(Error::StreamNotActive { stream: arn.clone(), status: state.status });
        }
        let wrapped = self.keys.generate(key_id, arn).await?.wrapped;
        let (stream, key_id) = (arn.clone(), key_id.to_owned());
        self.submit(EncryptionCommand::Start { stream, key_id, wrapped, now, due }).await
    }

    /// The means to seal so many records of `stream`; `None` when they aren't to be sealed.
    ///
    /// # Errors
    /// `Kms` when the stream's key can't be used, `StreamNotFound` when the stream is gone, and
    /// faults of storage.
    pub async fn sealing(&self, stream: &Stream, records: usize) -> Result<Option<Sealing>, Error> {
        let Some((number, _)) = stream.state().encryption.current() else { return Ok(None) };
        let ready = stream.vault().and_then(|vault| vault.sealing(number, records, self.now()));
        match ready {
            Some(sealing) => Ok(Some(sealing)),
            None => in_time(stream, self.prepare(stream, records)).await,
        }
    }

    /// Lets the records of `reading` be opened. Records whose key can't be used, and what follows
    /// them, are left out where others come before.
    ///
    /// # Errors
    /// `Kms` when the key of the first record can't be used, and `StreamNotFound` when the stream
    /// is gone.
    pub async fn unlock(&self, stream: &Stream, reading: &mut Reading) -> Result<(), Error> {
        for (number, first) in reading.sealed().to_vec() {
            let ready = stream.vault().and_then(|vault| vault.cipher(number, self.now()));
            let cipher = match ready {
                Some(cipher) => Ok(cipher),
                None => in_time(stream, self.cipher_of(stream, number)).await,
            };
            match cipher {
                Ok(cipher) => reading.unlock(cipher),
                Err(Error::Kms(_)) if reading.cut(first) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// A data key that is ready, a lease of its nonces, or both were missing.
    async fn prepare(&self, stream: &Stream, records: usize) -> Result<Option<Sealing>, Error> {
        let mut keys_changed = None;
        for _ in 0..ATTEMPTS_MAX {
            let stream = self.as_it_is(stream)?;
            let Some((number, key)) = stream.state().encryption.current() else { return Ok(None) };
            let Some(vault) = stream.vault() else { break };
            let mut turn = vault.turn().await;
            if let Some(sealing) = vault.sealing(number, records, self.now()) {
                return Ok(Some(sealing));
            }
            let cipher = self.cipher(&stream, vault, &mut turn, number, key).await?;
            let lease = match turn.lease(number, records) {
                Some(lease) => Ok(lease),
                None => self.lease(&stream, number, key).await,
            };
            match lease {
                Ok(lease) => {
                    turn.keep(number, &lease);
                    let sealing = Sealing::new(&cipher, &lease, records);
                    vault.ready(cipher, lease);
                    if sealing.is_some() {
                        return Ok(sealing);
                    }
                }
                Err(error @ Error::DataKeyChanged { .. }) => keys_changed = Some(error),
                Err(error) => return Err(error),
            }
        }
        let stream = stream.state().arn.clone();
        Err(keys_changed.unwrap_or(Error::DataKeyChanged { stream }))
    }

    /// Nonces that nobody else uses; when the data key has none left, there is a new one.
    async fn lease(
        &self,
        stream: &Stream,
        data_key: DataKeyNumber,
        key: &DataKey,
    ) -> Result<Arc<Lease>, Error> {
        let state = stream.state();
        let (arn, number) = (state.arn.clone(), state.number);
        let Ok(lease) = u8::try_from(key.leases) else {
            let wrapped = self.keys.generate(&key.key_id, &arn).await?.wrapped;
            let now = self.now_as_told();
            let rotate = EncryptionCommand::Rotate { stream: arn, number, data_key, wrapped, now };
            self.submit(rotate).await?;
            return Err(Error::DataKeyChanged { stream: state.arn.clone() });
        };
        self.submit(EncryptionCommand::Lease { stream: arn, number, data_key, lease }).await?;
        Ok(Arc::new(Lease::new(lease)))
    }

    async fn cipher_of(
        &self,
        stream: &Stream,
        number: DataKeyNumber,
    ) -> Result<Arc<Cipher>, Error> {
        let stream = self.as_it_is(stream)?;
        let missing = || Error::DataKeyMissing { stream: stream.state().arn.clone(), number };
        let key = stream.state().encryption.data_keys.get(&number).ok_or_else(missing)?;
        let vault = stream.vault().ok_or_else(missing)?;
        let mut turn = vault.turn().await;
        self.cipher(&stream, vault, &mut turn, number, key).await
    }

    /// A data key in its usable form. One request asks the key service; who waits meanwhile shares
    /// what it learns, also that the key can't be used.
    async fn cipher(
        &self,
        stream: &Stream,
        vault: &Vault,
        turn: &mut vault::Turn<'_>,
        number: DataKeyNumber,
        key: &DataKey,
    ) -> Result<Arc<Cipher>, Error> {
        if let Some(cipher) = vault.cipher(number, self.now()) {
            return Ok(cipher);
        }
        if let Some(error) = turn.failure(number, self.now()) {
            return Err(Error::Kms(error));
        }
        let of = stream.state().number;
        match self.keys.decrypt(&key.key_id, &key.wrapped, &stream.state().arn).await {
            Ok(plain) => {
                let expires = self.now() + limits::DATA_KEY_LIFE;
                let cipher = Arc::new(Cipher::new(of, number, &plain, expires));
                vault.keep(&cipher);
                Ok(cipher)
            }
            Err(error) => {
                tracing::warn!(stream = %stream.state().arn, %error, "data key not unwrapped");
                turn.failed(number, self.now(), error.clone());
                Err(Error::Kms(error))
            }
        }
    }

    fn as_it_is(&self, stream: &Stream) -> Result<Arc<Stream>, Error> {
        let state = stream.state();
        let snapshot = self.directory.snapshot();
        let stream = snapshot.stream_of_number(state.number).cloned();
        stream.ok_or_else(|| Error::StreamNotFound { stream: state.arn.clone() })
    }

    async fn submit(&self, command: EncryptionCommand) -> Result<(), Error> {
        self.control.submit(Command::Encryption(command)).await
    }

    fn now(&self) -> Time {
        self.clock.now()
    }

    fn now_as_told(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.now().millis())
    }
}

/// What comes of `ready`, unless that takes too long.
async fn in_time<T>(
    stream: &Stream,
    ready: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let late = |_| Err(Error::KeysNotReady { stream: stream.state().arn.clone() });
    tokio::time::timeout(READY_DEADLINE, Box::pin(ready)).await.unwrap_or_else(late)
}
