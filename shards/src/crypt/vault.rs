//! What one stream's requests share: data keys that are ready for use, read without a lock; and
//! what the key service is being asked for, so that it is asked once for all who need it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use arc_swap::{ArcSwap, ArcSwapOption};
use millpond_quotas::Time;
use tokio::sync::watch;

use super::{Cipher, Lease, RETRY_AFTER, Sealing};
use crate::{Error, stream::encryption::DataKeyNumber};

/// The data keys of one stream that are ready for use.
#[derive(Default)]
pub(crate) struct Vault {
    ciphers: ArcSwap<BTreeMap<DataKeyNumber, Arc<Cipher>>>,
    lease: ArcSwapOption<(DataKeyNumber, Arc<Lease>)>,
    leasing: tokio::sync::Mutex<()>,
    asked: Mutex<BTreeMap<Question, Asked>>,
}

/// What the key service is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Question {
    /// This data key in the clear.
    Open(DataKeyNumber),
    /// A data key to follow this one, which has no leases left.
    Follow(DataKeyNumber),
}

/// How far a question is.
#[derive(Default)]
struct Asked {
    under_way: Weak<Asking>,
    refused: Option<(Time, Error)>,
}

/// A question that is under way: whoever holds it is asking, and tells here what came of it.
pub(super) type Asking = watch::Sender<Option<Result<(), Error>>>;

/// Where an answer will be told.
pub(super) type Answer = watch::Receiver<Option<Result<(), Error>>>;

/// What to do about a question.
pub(super) enum Ask {
    /// The answer is known.
    Refused(Error),
    /// Somebody asks.
    UnderWay(Answer),
    /// The caller asks.
    New(Arc<Asking>),
}

impl Vault {
    /// This data key, if it is ready.
    pub(crate) fn cipher(&self, number: DataKeyNumber, now: Time) -> Option<Arc<Cipher>> {
        self.ciphers.load().get(&number).filter(|cipher| cipher.is_usable(now)).cloned()
    }

    pub(super) fn keep(&self, cipher: &Arc<Cipher>) {
        self.ciphers.rcu(|ciphers| {
            let mut ciphers = BTreeMap::clone(ciphers);
            ciphers.insert(cipher.number(), Arc::clone(cipher));
            ciphers
        });
    }

    /// The means to seal so many records under this data key, if a lease has as many nonces left.
    pub(super) fn sealing(&self, cipher: &Arc<Cipher>, records: usize) -> Option<Sealing> {
        let leased = self.lease.load();
        let (of, lease) = &**leased.as_ref()?;
        (*of == cipher.number()).then(|| Sealing::new(cipher, lease, records)).flatten()
    }

    /// The right to take a lease, until it is dropped.
    pub(super) async fn leasing(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.leasing.lock().await
    }

    pub(super) fn lease(&self, number: DataKeyNumber, lease: Lease) {
        self.lease.store(Some(Arc::new((number, Arc::new(lease)))));
    }

    /// Who asks the key service. A question that was refused is asked again after a moment, by one
    /// request: until there is another answer, the others have that one.
    pub(super) fn ask(&self, question: Question, now: Time) -> Ask {
        let mut asked = self.asked();
        let asked = asked.entry(question).or_default();
        match (asked.under_way.upgrade(), &asked.refused) {
            (Some(_), Some((_, error))) => Ask::Refused(error.clone()),
            (Some(asking), None) => Ask::UnderWay(asking.subscribe()),
            (None, Some((at, error))) if now < *at + RETRY_AFTER => Ask::Refused(error.clone()),
            (None, _) => {
                let asking = Arc::new(Asking::new(None));
                asked.under_way = Arc::downgrade(&asking);
                Ask::New(asking)
            }
        }
    }

    /// Notes what came of a question.
    pub(super) fn answered(&self, question: Question, now: Time, answer: &Result<(), Error>) {
        let mut asked = self.asked();
        match answer {
            Ok(()) => {
                asked.remove(&question);
            }
            Err(error) => {
                asked.entry(question).or_default().refused = Some((now, error.clone()));
            }
        }
    }

    /// Lets go of keys that have expired, and of refusals that are no news.
    pub(crate) fn forget_expired(&self, now: Time) {
        let is_usable = |cipher: &Cipher| cipher.is_usable(now);
        if self.ciphers.load().values().any(|cipher| !is_usable(cipher)) {
            self.ciphers.rcu(|ciphers| {
                let mut ciphers = BTreeMap::clone(ciphers);
                ciphers.retain(|_, cipher| is_usable(cipher));
                ciphers
            });
        }
        self.asked().retain(|_, asked| {
            let is_news = asked.refused.as_ref().is_some_and(|(at, _)| now < *at + RETRY_AFTER);
            is_news || asked.under_way.strong_count() > 0
        });
    }

    /// Whether no key is ready, so that none can expire.
    pub(crate) fn is_idle(&self) -> bool {
        self.ciphers.load().is_empty()
    }

    fn asked(&self) -> MutexGuard<'_, BTreeMap<Question, Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
