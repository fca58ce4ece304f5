//! Headers of event stream messages: a name and a typed value.

use super::InvalidFrame;

/// A header of a message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Header<'a> {
    /// 1 to 255 bytes of text.
    pub name: &'a str,
    /// What it says.
    pub value: Value<'a>,
}

/// The value of a header.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// Types 0 and 1.
    Boolean(bool),
    /// Type 2.
    Byte(i8),
    /// Type 3.
    Short(i16),
    /// Type 4.
    Integer(i32),
    /// Type 5.
    Long(i64),
    /// Type 6, at most 32,767 bytes.
    Bytes(&'a [u8]),
    /// Type 7, at most 32,767 bytes of UTF-8.
    Text(&'a str),
    /// Type 8: milliseconds since the epoch.
    Timestamp(i64),
    /// Type 9.
    Uuid([u8; 16]),
}

/// Bytes of the longest value.
const VALUE_BYTES_MAX: usize = i16::MAX as usize;

impl<'a> Header<'a> {
    pub(super) fn encode(&self, out: &mut Vec<u8>) -> Result<(), InvalidFrame> {
        let length = u8::try_from(self.name.len()).map_err(|_| InvalidFrame::Header)?;
        if length == 0 {
            return Err(InvalidFrame::Header);
        }
        out.push(length);
        out.extend_from_slice(self.name.as_bytes());
        self.value.encode(out)
    }

    pub(super) fn decode_all(bytes: &'a [u8]) -> Result<Vec<Self>, InvalidFrame> {
        let mut input = Input(bytes);
        let mut headers = Vec::new();
        while !input.0.is_empty() {
            let [length] = input.array()?;
            let name = text(input.take(length.into())?)?;
            if name.is_empty() {
                return Err(InvalidFrame::Header);
            }
            headers.push(Self { name, value: Value::decode(&mut input)? });
        }
        Ok(headers)
    }
}

impl<'a> Value<'a> {
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), InvalidFrame> {
        let mut put = |kind: u8, bytes: &[u8]| {
            out.push(kind);
            out.extend_from_slice(bytes);
        };
        match self {
            Self::Boolean(true) => put(0, &[]),
            Self::Boolean(false) => put(1, &[]),
            Self::Byte(value) => put(2, &value.to_be_bytes()),
            Self::Short(value) => put(3, &value.to_be_bytes()),
            Self::Integer(value) => put(4, &value.to_be_bytes()),
            Self::Long(value) => put(5, &value.to_be_bytes()),
            Self::Timestamp(value) => put(8, &value.to_be_bytes()),
            Self::Uuid(value) => put(9, value),
            Self::Bytes(bytes) => {
                put(6, &length_of(bytes)?);
                out.extend_from_slice(bytes);
            }
            Self::Text(text) => {
                put(7, &length_of(text.as_bytes())?);
                out.extend_from_slice(text.as_bytes());
            }
        }
        Ok(())
    }

    fn decode(input: &mut Input<'a>) -> Result<Self, InvalidFrame> {
        let [kind] = input.array()?;
        Ok(match kind {
            0 => Self::Boolean(true),
            1 => Self::Boolean(false),
            2 => Self::Byte(i8::from_be_bytes(input.array()?)),
            3 => Self::Short(i16::from_be_bytes(input.array()?)),
            4 => Self::Integer(i32::from_be_bytes(input.array()?)),
            5 => Self::Long(i64::from_be_bytes(input.array()?)),
            6 => Self::Bytes(input.counted()?),
            7 => Self::Text(text(input.counted()?)?),
            8 => Self::Timestamp(i64::from_be_bytes(input.array()?)),
            9 => Self::Uuid(input.array()?),
            _ => return Err(InvalidFrame::Header),
        })
    }
}

fn length_of(bytes: &[u8]) -> Result<[u8; 2], InvalidFrame> {
    if bytes.len() > VALUE_BYTES_MAX {
        return Err(InvalidFrame::Header);
    }
    Ok((bytes.len() as u16).to_be_bytes())
}

fn text(bytes: &[u8]) -> Result<&str, InvalidFrame> {
    std::str::from_utf8(bytes).map_err(|_| InvalidFrame::Header)
}

/// What is left of the headers.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], InvalidFrame> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(InvalidFrame::Header)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], InvalidFrame> {
        self.take(N)?.try_into().map_err(|_| InvalidFrame::Header)
    }

    /// Bytes behind their 16-bit length.
    fn counted(&mut self) -> Result<&'a [u8], InvalidFrame> {
        let length = u16::from_be_bytes(self.array()?);
        if usize::from(length) > VALUE_BYTES_MAX {
            return Err(InvalidFrame::Header);
        }
        self.take(length.into())
    }
}
