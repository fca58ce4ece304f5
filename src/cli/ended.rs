//! Why a command ends before it is done.

use std::io;

/// What a command comes to.
pub type Outcome<T = ()> = Result<T, Ended>;

/// Why a command ends early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Nobody reads any more what it prints.
    Enough,
    /// It failed; one sentence says why, and what to do.
    Failed(String),
}

impl Ended {
    /// A failure.
    pub fn failed(sentence: impl Into<String>) -> Self {
        Self::Failed(sentence.into())
    }

    /// Why it failed, if it did.
    #[must_use]
    pub fn sentence(self) -> Option<String> {
        match self {
            Self::Enough => None,
            Self::Failed(sentence) => Some(sentence),
        }
    }
}

/// Of writing to standard output.
impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Enough,
            _ => Self::Failed(format!("the output can't be written: {error}")),
        }
    }
}
