//! The data keys that one read needs.

use std::{collections::BTreeMap, sync::Arc};

use futures::future::join_all;

use super::{Cipher, Crypt, in_time};
use crate::{Error, directory::Stream, shard::Reading, stream::encryption::DataKeyNumber};

/// Opens what is read of a stream. What it learns of a key holds until the read is over, so a read
/// that begins again gets further each time.
pub struct Opener<'a> {
    crypt: &'a Crypt,
    stream: &'a Stream,
    known: BTreeMap<DataKeyNumber, Result<Arc<Cipher>, Error>>,
}

impl<'a> Opener<'a> {
    pub(super) fn new(crypt: &'a Crypt, stream: &'a Stream) -> Self {
        Self { crypt, stream, known: BTreeMap::new() }
    }

    /// Lets the records of `reading` be opened, unless some of their data keys, which are returned,
    /// have to be made [`ready`](Self::ready) before. Records whose key can't be used, and what
    /// follows them, are left out where others come before.
    ///
    /// # Errors
    /// `Kms` and `KeysNotReady` when the key of the first record can't be used, and
    /// `StreamNotFound` when the stream is gone.
    pub fn unlock(&mut self, reading: &mut Reading) -> Result<Vec<DataKeyNumber>, Error> {
        let mut missing = Vec::new();
        for (number, _) in reading.sealed() {
            if self.known.contains_key(number) {
                continue;
            }
            match self.crypt.in_use(self.stream, *number) {
                Some(cipher) => {
                    self.known.insert(*number, Ok(cipher));
                }
                None => missing.push(*number),
            }
        }
        if !missing.is_empty() {
            return Ok(missing);
        }
        for (number, first) in reading.sealed().to_vec() {
            match self.known.get(&number) {
                Some(Ok(cipher)) => reading.unlock(Arc::clone(cipher)),
                Some(Err(Error::Kms(_) | Error::KeysNotReady { .. })) if reading.cut(first) => {
                    break;
                }
                Some(Err(error)) => return Err(error.clone()),
                None => {}
            }
        }
        Ok(missing)
    }

    /// Waits until data keys are ready, or it is known why they can't be. Who waits should hold
    /// nothing that others wait for.
    pub async fn ready(&mut self, missing: Vec<DataKeyNumber>) {
        let (crypt, stream) = (self.crypt, self.stream);
        let open =
            |number: &DataKeyNumber| in_time(&stream.state().arn, crypt.open(stream, *number));
        let opened = join_all(missing.iter().map(open)).await;
        self.known.extend(missing.into_iter().zip(opened));
    }
}
