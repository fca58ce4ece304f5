//! Errors as clients see them.

mod kinds;

use std::{borrow::Cow, collections::BTreeMap, fmt};

pub use kinds::ErrorKind;
use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::Codec;

/// What a client is told when its request fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What kind of error it is; tells the wire name and the status.
    pub kind: ErrorKind,
    /// The sentence that explains it. Some errors have none.
    pub message: Option<Cow<'static, str>>,
}

impl Error {
    /// The error's body.
    #[must_use]
    pub fn encode(&self, codec: Codec) -> Vec<u8> {
        codec.encode(self)
    }

    /// The error's message alone, as within a stream, where a header has the name.
    pub(crate) fn message_alone(&self) -> BTreeMap<&'static str, &str> {
        let message = self.message.as_deref().map(|message| (self.kind.message_member(), message));
        message.into_iter().collect()
    }
}

impl ErrorKind {
    /// An error of this kind with a message.
    #[must_use]
    pub fn with(self, message: impl Into<Cow<'static, str>>) -> Error {
        Error { kind: self, message: Some(message.into()) }
    }

    /// The name of the member that carries the message: AWS' own deserialiser has it with a
    /// capital.
    const fn message_member(self) -> &'static str {
        match self {
            Self::Serialization => "Message",
            _ => "message",
        }
    }
}

impl From<ErrorKind> for Error {
    /// An error without a message.
    fn from(kind: ErrorKind) -> Self {
        Self { kind, message: None }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.wire_name())?;
        self.message.as_ref().map_or(Ok(()), |message| write!(f, ": {message}"))
    }
}

impl std::error::Error for Error {}

impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let members = 1 + usize::from(self.message.is_some());
        let mut body = serializer.serialize_struct("Error", members)?;
        body.serialize_field("__type", self.kind.wire_name())?;
        if let Some(message) = &self.message {
            body.serialize_field(self.kind.message_member(), message)?;
        }
        body.end()
    }
}
