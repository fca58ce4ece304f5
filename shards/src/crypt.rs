//! Encryption at rest: records of a stream with StartStreamEncryption are stored sealed, one by
//! one, with AES-256-GCM.
//!
//! **Envelope.** Each application of a master key to a stream has a *data key* of its own. A
//! [`KeyService`] makes it, and gives it in two forms: plain, which never leaves this process'
//! memory, and *wrapped* under the master key, which is stored with the stream and can be opened
//! only by the service again. A plain data key is forgotten [`limits::DATA_KEY_LIFE`] after the
//! service was asked for it, so a master key that is disabled, lost or exchanged takes effect then;
//! while it is in use it is asked for anew before that. A wrapped one is kept until the last record
//! under it has expired.
//!
//! **What is sealed.** The data. The partition key, the explicit hash key, whether they are given,
//! the stream's number and the data key's number are authenticated with it: a sealed record that is
//! moved to another key or another stream doesn't open. Where in its stream a record stands isn't
//! known when it is sealed, so who can write to the disk can still leave records out, repeat them,
//! change their order or add plain ones. The keys stay readable, as resharding and routing go by
//! them.
//!
//! **Nonces never repeat under one data key.** A nonce is one byte of lease, eight random bytes and
//! three bytes of counter. A [`Lease`] of 2^24 nonces is taken by one commit of the metadata, which
//! is acknowledged before the first of them is used, and within a lease all requests count with the
//! same atomic: a lease is never taken twice, whether the server ends well or crashes. With
//! `--durability os` a crash of the machine may take back the commit, and the lease is taken again;
//! but the random bytes are drawn anew each time a lease is taken, so that its nonces aren't those
//! of before. Nor do two copies of a data directory, such as a backup that is started beside the
//! original, repeat each other. There are 256 leases, thus 2^32 records under a data key; when the
//! last one is taken, a new data key is made under the same master key.

use std::{sync::Arc, time::Duration};

use millpond_api::types::{StreamArn, StreamStatus, Timestamp};
use millpond_quotas::{Time, limits};

mod cipher;
mod lease;
mod opener;
mod service;
#[cfg(any(test, feature = "test-util"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod vault;

pub use cipher::{Cipher, PlainKey};
pub(crate) use cipher::{NONCE_BYTES, TAG_BYTES};
pub use lease::{Lease, Sealing};
pub use opener::Opener;
pub use service::{KeyService, KmsError, KmsFault};
pub(crate) use vault::Vault;
use vault::{Ask, Question};

use crate::{
    Error,
    control::Control,
    directory::{Directory, Stream},
    services::Services,
    shard::Reading,
    state::{Command, EncryptionCommand},
    stream::{
        StreamNumber,
        encryption::{DataKeyNumber, LEASES_MAX},
    },
};

/// How often the keys of a stream may change under a request before it gives up.
const ATTEMPTS_MAX: usize = 5;

/// How long a request waits for a key to be ready.
const READY_DEADLINE: Duration = Duration::from_secs(10);

/// How long a refusal of the key service stands before it is asked again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Seals and opens records with the keys of their streams.
#[derive(Clone)]
pub struct Crypt {
    directory: Arc<Directory>,
    control: Control,
    keys: Arc<dyn KeyService>,
    services: Services,
}

impl Crypt {
    pub(crate) fn new(
        directory: Arc<Directory>,
        control: Control,
        keys: Arc<dyn KeyService>,
        services: Services,
    ) -> Self {
        Self { directory, control, keys, services }
    }

    /// StartStreamEncryption: what is written from now on is sealed under `key_id`, which must be
    /// usable now.
    ///
    /// # Errors
    /// `Kms` and `KeysNotReady` when the key can't be used, and those of
    /// [`EncryptionCommand::Start`].
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
        let wrapped = self.new_data_key(key_id, arn).await?;
        let (stream, key_id) = (arn.clone(), key_id.to_owned());
        self.submit(EncryptionCommand::Start { stream, key_id, wrapped, now, due }).await
    }

    /// The means to seal so many records of `stream`; `None` when they aren't to be sealed.
    ///
    /// # Errors
    /// `Kms` and `KeysNotReady` when the stream's key can't be used, `StreamNotFound` when the
    /// stream is gone, and faults of storage.
    pub async fn sealing(&self, stream: &Stream, records: usize) -> Result<Option<Sealing>, Error> {
        let Some((number, _)) = stream.state().encryption.current() else { return Ok(None) };
        let ready = self.in_use(stream, number).zip(stream.vault());
        match ready.and_then(|(cipher, vault)| vault.sealing(&cipher, records)) {
            Some(sealing) => Ok(Some(sealing)),
            None => in_time(&stream.state().arn, self.prepare(stream, records)).await,
        }
    }

    /// What opens the records of one read of `stream`.
    #[must_use]
    pub fn opener<'a>(&'a self, stream: &'a Stream) -> Opener<'a> {
        Opener::new(self, stream)
    }

    /// Lets the records of `reading` be opened, and waits for their data keys. See
    /// [`Opener::unlock`].
    ///
    /// # Errors
    /// Those of [`Opener::unlock`].
    pub async fn unlock(&self, stream: &Stream, reading: &mut Reading) -> Result<(), Error> {
        let mut opener = self.opener(stream);
        loop {
            let missing = opener.unlock(reading)?;
            if missing.is_empty() {
                return Ok(());
            }
            opener.ready(missing).await;
        }
    }

    /// A data key that is ready, a lease of its nonces, or both were missing.
    async fn prepare(&self, stream: &Stream, records: usize) -> Result<Option<Sealing>, Error> {
        let arn = &stream.state().arn;
        for _ in 0..ATTEMPTS_MAX {
            let stream = self.as_it_is(stream)?;
            let Some((number, key)) = stream.state().encryption.current() else { return Ok(None) };
            let Some(vault) = stream.vault() else { break };
            let cipher = self.open(&stream, number).await?;
            let leasing = vault.leasing().await;
            if let Some(sealing) = vault.sealing(&cipher, records) {
                return Ok(Some(sealing));
            }
            let Ok(lease) = u8::try_from(key.leases) else {
                drop(leasing);
                self.answer(&stream, Question::Follow(number)).await?;
                continue;
            };
            let (of, log_number) = (stream.state().number, stream.state().log_number);
            let (stream, data_key) = (arn.clone(), number);
            let take = EncryptionCommand::Lease { stream, log_number, data_key, lease };
            match self.submit(take).await {
                Ok(()) => vault.lease(number, Lease::new(lease)),
                Err(Error::DataKeyChanged { .. }) => continue,
                Err(error) => return Err(error),
            }
            self.foresee(number, of);
            if let Some(sealing) = vault.sealing(&cipher, records) {
                return Ok(Some(sealing));
            }
        }
        Err(Error::DataKeyChanged { stream: arn.clone() })
    }

    /// A data key in its usable form.
    async fn open(&self, stream: &Stream, number: DataKeyNumber) -> Result<Arc<Cipher>, Error> {
        if let Some(cipher) = self.in_use(stream, number) {
            return Ok(cipher);
        }
        self.answer(stream, Question::Open(number)).await?;
        let not_ready = || Error::KeysNotReady { stream: stream.state().arn.clone() };
        self.in_use(stream, number).ok_or_else(not_ready)
    }

    /// A data key that is ready. It is asked for anew before it expires, so that nobody has to
    /// wait for it.
    fn in_use(&self, stream: &Stream, number: DataKeyNumber) -> Option<Arc<Cipher>> {
        let now = self.now();
        let cipher = stream.vault()?.cipher(number, now)?;
        if cipher.is_due(now) {
            // Nobody waits for the answer; it is noted.
            self.ask(stream, Question::Open(number)).ok();
            self.foresee(number, stream.state().number);
        }
        Some(cipher)
    }

    /// Asks for the data key after `number` when that has given its last lease, while there still
    /// are nonces.
    fn foresee(&self, number: DataKeyNumber, of: StreamNumber) {
        let snapshot = self.directory.snapshot();
        let Some(stream) = snapshot.stream_of_number(of) else { return };
        let current = stream.state().encryption.current();
        if current.is_some_and(|(n, key)| n == number && key.leases == LEASES_MAX) {
            // Nobody waits for the answer; it is noted.
            self.ask(stream, Question::Follow(number)).ok();
        }
    }

    /// What comes of a question, whoever asks it.
    async fn answer(&self, stream: &Stream, question: Question) -> Result<(), Error> {
        let mut answer = self.ask(stream, question)?;
        let told = answer.wait_for(Option::is_some).await.ok().and_then(|told| told.clone());
        let stream = || stream.state().arn.clone();
        told.unwrap_or_else(|| Err(Error::KeysNotReady { stream: stream() }))
    }

    /// Asks the key service, unless somebody does. A request that no longer waits leaves the
    /// question under way: its answer counts, for whoever comes next.
    fn ask(&self, stream: &Stream, question: Question) -> Result<vault::Answer, Error> {
        let stream = self.as_it_is(stream)?;
        let gone = || Error::KeysNotReady { stream: stream.state().arn.clone() };
        let asking = match stream.vault().ok_or_else(gone)?.ask(question, self.now()) {
            Ask::Refused(error) => return Err(error),
            Ask::UnderWay(answer) => return Ok(answer),
            Ask::New(asking) => asking,
        };
        let (crypt, answer, tasks) = (self.clone(), asking.subscribe(), &self.services.tasks);
        let stop = tasks.stop();
        tasks.spawn("key service", async move {
            let asked = in_time(&stream.state().arn, crypt.put(&stream, question));
            let Some(answer) = stop.run_until_cancelled(asked).await else { return };
            if let Err(error) = &answer {
                tracing::warn!(stream = %stream.state().arn, ?question, %error, "no data key");
            }
            if let Some(vault) = stream.vault() {
                vault.answered(question, crypt.now(), &answer);
            }
            asking.send_replace(Some(answer));
        });
        Ok(answer)
    }

    /// Puts a question to the key service, and keeps what it gives.
    async fn put(&self, stream: &Stream, question: Question) -> Result<(), Error> {
        let state = stream.state();
        let arn = &state.arn;
        match question {
            Question::Open(number) => {
                let missing = || Error::DataKeyMissing { stream: arn.clone(), number };
                let key = state.encryption.data_keys.get(&number).ok_or_else(missing)?;
                let expires = self.now() + limits::DATA_KEY_LIFE;
                let own = || (state.number, arn);
                let (of, arn) = key.origin.as_ref().map_or_else(own, |of| (of.number, &of.arn));
                let plain = self.keys.decrypt(&key.wrapped, arn).await?;
                let cipher = Arc::new(Cipher::new(of, number, &plain, expires));
                stream.vault().ok_or_else(missing)?.keep(&cipher);
                Ok(())
            }
            Question::Follow(data_key) => {
                let current = state.encryption.current();
                let Some((_, key)) = current.filter(|(number, _)| *number == data_key) else {
                    return Ok(());
                };
                let wrapped = self.new_data_key(&key.key_id, arn).await?;
                let (stream, log_number) = (arn.clone(), state.log_number);
                let now = self.services.now();
                let rotate =
                    EncryptionCommand::Rotate { stream, log_number, data_key, wrapped, now };
                match self.submit(rotate).await {
                    Err(Error::DataKeyChanged { .. }) => Ok(()),
                    rotated => rotated,
                }
            }
        }
    }

    /// A new data key for `stream`, which may be one to be, in its wrapped form; the master key
    /// was seen to open it.
    ///
    /// # Errors
    /// `Kms` and `KeysNotReady` when the key can't be used.
    pub async fn new_data_key(&self, key_id: &str, stream: &StreamArn) -> Result<Vec<u8>, Error> {
        in_time(stream, async {
            let wrapped = self.keys.generate(key_id, stream).await?;
            self.keys.decrypt(&wrapped, stream).await?;
            Ok(wrapped)
        })
        .await
    }

    fn as_it_is(&self, stream: &Stream) -> Result<Arc<Stream>, Error> {
        let state = stream.state();
        let snapshot = self.directory.snapshot();
        let stream = snapshot.same_stream(state.number, state.log_number).cloned();
        stream.ok_or_else(|| Error::StreamNotFound { stream: state.arn.clone() })
    }

    async fn submit(&self, command: EncryptionCommand) -> Result<(), Error> {
        self.control.submit(Command::Encryption(command)).await
    }

    fn now(&self) -> Time {
        self.services.clock.now()
    }
}

/// What comes of `ready`, unless that takes too long.
async fn in_time<T>(
    stream: &StreamArn,
    ready: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let late = |_| Err(Error::KeysNotReady { stream: stream.clone() });
    tokio::time::timeout(READY_DEADLINE, Box::pin(ready)).await.unwrap_or_else(late)
}
