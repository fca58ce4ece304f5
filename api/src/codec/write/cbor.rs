//! CBOR with the lengths that are known, and numbers as short as they can be.

use super::{Form, Group, Output, PIECE_BYTES};

/// CBOR as AWS' SDKs read it.
pub(in crate::codec) struct Cbor;

/// The major types, in the bits where they stand.
const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1 << 5;
const BYTES: u8 = 2 << 5;
const TEXT: u8 = 3 << 5;
const LIST: u8 = 4 << 5;
const MAP: u8 = 5 << 5;

/// Tag 1: a point in time, though in milliseconds.
const EPOCH: u8 = 0xc1;
const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const NULL: u8 = 0xf6;
const FLOAT: u8 = 0xfb;
const BREAK: u8 = 0xff;
/// In place of a length: up to a break.
const INDEFINITE: u8 = 0x1f;

/// The longest head: a major type and a number of eight bytes.
const HEAD_BYTES_MAX: usize = 9;

impl Form for Cbor {
    const IS_HUMAN_READABLE: bool = false;

    fn null(out: &mut impl Output) {
        out.room(1).push(NULL);
    }

    fn boolean(out: &mut impl Output, value: bool) {
        out.room(1).push(if value { TRUE } else { FALSE });
    }

    fn signed(out: &mut impl Output, value: i64) {
        match u64::try_from(value) {
            Ok(value) => head(out.room(HEAD_BYTES_MAX), UNSIGNED, value),
            Err(_) => head(out.room(HEAD_BYTES_MAX), NEGATIVE, !value.cast_unsigned()),
        }
    }

    fn unsigned(out: &mut impl Output, value: u64) {
        head(out.room(HEAD_BYTES_MAX), UNSIGNED, value);
    }

    fn float(out: &mut impl Output, value: f64) {
        let out = out.room(HEAD_BYTES_MAX);
        out.push(FLOAT);
        out.extend_from_slice(&value.to_be_bytes());
    }

    #[inline]
    fn text(out: &mut impl Output, value: &str) {
        string(out, TEXT, value.as_bytes());
    }

    #[inline]
    fn bytes(out: &mut impl Output, value: &[u8]) {
        string(out, BYTES, value);
    }

    fn time(out: &mut impl Output, epoch_millis: i64) {
        out.room(1).push(EPOCH);
        Self::signed(out, epoch_millis);
    }

    #[inline]
    fn plain(out: &mut impl Output, text: &[u8]) {
        string(out, TEXT, text);
    }

    #[inline]
    fn begin(out: &mut impl Output, of: Group, length: Option<usize>) {
        let major = match of {
            Group::List => LIST,
            Group::Map => MAP,
        };
        let out = out.room(HEAD_BYTES_MAX);
        match length {
            Some(length) => head(out, major, length as u64),
            None => out.push(major | INDEFINITE),
        }
    }

    #[inline]
    fn next(_: &mut impl Output, _: Group, _: bool) {}

    #[inline]
    fn member(out: &mut impl Output, name: &'static str, _: bool) {
        let out = out.room(HEAD_BYTES_MAX + name.len());
        head(out, TEXT, name.len() as u64);
        out.extend_from_slice(name.as_bytes());
    }

    #[inline]
    fn between(_: &mut impl Output) {}

    #[inline]
    fn end(out: &mut impl Output, _: Group, _: bool, is_length_known: bool) {
        if !is_length_known {
            out.room(1).push(BREAK);
        }
    }
}

/// A major type with its number, in the shortest form.
#[inline]
fn head(out: &mut Vec<u8>, major: u8, number: u64) {
    let [.., d3, d2, d1, d0] = number.to_be_bytes();
    match number {
        0..24 => out.push(major | d0),
        24..0x100 => out.extend_from_slice(&[major | 0x18, d0]),
        0x100..0x1_0000 => out.extend_from_slice(&[major | 0x19, d1, d0]),
        0x1_0000..0x1_0000_0000 => out.extend_from_slice(&[major | 0x1a, d3, d2, d1, d0]),
        _ => {
            out.push(major | 0x1b);
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
}

#[inline]
fn string(out: &mut impl Output, major: u8, bytes: &[u8]) {
    let (first, rest) = bytes.split_at(bytes.len().min(PIECE_BYTES));
    let begun = out.room(HEAD_BYTES_MAX + first.len());
    head(begun, major, bytes.len() as u64);
    begun.extend_from_slice(first);
    for piece in rest.chunks(PIECE_BYTES) {
        out.room(piece.len()).extend_from_slice(piece);
    }
}
