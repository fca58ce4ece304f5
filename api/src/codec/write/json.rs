//! JSON without blanks. Bytes are base64 text.

use super::{Form, Group, Output, PIECE_BYTES};
use crate::{codec::plain::plain_bytes, types::digits::eight_digits};

/// JSON as clients read it.
pub(in crate::codec) struct Json;

impl Form for Json {
    const IS_HUMAN_READABLE: bool = true;

    fn null(out: &mut impl Output) {
        append(out, b"null");
    }

    fn boolean(out: &mut impl Output, value: bool) {
        append(out, if value { b"true" } else { b"false" });
    }

    #[inline]
    fn signed(out: &mut impl Output, value: i64) {
        append(out, itoa::Buffer::new().format(value).as_bytes());
    }

    #[inline]
    fn unsigned(out: &mut impl Output, value: u64) {
        append(out, itoa::Buffer::new().format(value).as_bytes());
    }

    fn float(out: &mut impl Output, value: f64) {
        const TEXT_MAX: usize = 32;
        let out = out.room(TEXT_MAX);
        serde_json::to_writer(out, &value).expect("memory takes what is written");
    }

    #[inline]
    fn text(out: &mut impl Output, value: &str) {
        let text = value.as_bytes();
        if text.len() > PIECE_BYTES {
            return long_text(out, text);
        }
        let out = out.room(text.len() + 2);
        out.push(b'"');
        escaped(out, text);
        out.push(b'"');
    }

    #[inline]
    fn bytes(out: &mut impl Output, value: &[u8]) {
        append(out, b"\"");
        for piece in value.chunks(PIECE_BYTES) {
            let text_bytes = piece.len().div_ceil(3) * 4;
            base64_simd::STANDARD.encode_append(piece, out.room(text_bytes));
        }
        append(out, b"\"");
    }

    /// Seconds, with as many decimals as it takes.
    #[inline]
    fn time(out: &mut impl Output, epoch_millis: i64) {
        let mut whole = itoa::Buffer::new();
        let whole = whole.format(epoch_millis.unsigned_abs() / 1000).as_bytes();
        let [.., a, b, c] = eight_digits(epoch_millis.unsigned_abs() % 1000);
        let out = out.room(whole.len() + 5);
        if epoch_millis < 0 {
            out.push(b'-');
        }
        out.extend_from_slice(whole);
        match [a, b, c] {
            [b'0', b'0', b'0'] => {}
            [a, b'0', b'0'] => out.extend_from_slice(&[b'.', a]),
            [a, b, b'0'] => out.extend_from_slice(&[b'.', a, b]),
            [a, b, c] => out.extend_from_slice(&[b'.', a, b, c]),
        }
    }

    #[inline]
    fn plain(out: &mut impl Output, text: &[u8]) {
        let out = out.room(text.len() + 2);
        out.push(b'"');
        out.extend_from_slice(text);
        out.push(b'"');
    }

    #[inline]
    fn begin(_: &mut impl Output, _: Group, _: Option<usize>) {}

    #[inline]
    fn next(out: &mut impl Output, of: Group, is_first: bool) {
        append(out, &[separator(of, is_first)]);
    }

    #[inline]
    fn member(out: &mut impl Output, name: &'static str, is_first: bool) {
        let out = out.room(name.len() + 4);
        out.extend_from_slice(&[separator(Group::Map, is_first), b'"']);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
    }

    #[inline]
    fn between(out: &mut impl Output) {
        append(out, b":");
    }

    #[inline]
    fn end(out: &mut impl Output, of: Group, is_empty: bool, _: bool) {
        match (of, is_empty) {
            (Group::List, false) => append(out, b"]"),
            (Group::List, true) => append(out, b"[]"),
            (Group::Map, false) => append(out, b"}"),
            (Group::Map, true) => append(out, b"{}"),
        }
    }
}

/// Groups are opened by what stands before their first value, so an empty one by its end.
const fn separator(of: Group, is_first: bool) -> u8 {
    match (of, is_first) {
        (_, false) => b',',
        (Group::List, true) => b'[',
        (Group::Map, true) => b'{',
    }
}

#[inline]
fn append(out: &mut impl Output, bytes: &[u8]) {
    out.room(bytes.len()).extend_from_slice(bytes);
}

fn long_text(out: &mut impl Output, text: &[u8]) {
    append(out, b"\"");
    for piece in text.chunks(PIECE_BYTES) {
        escaped(out.room(piece.len()), piece);
    }
    append(out, b"\"");
}

/// Appends text, and escapes what has to be.
#[inline]
fn escaped(out: &mut Vec<u8>, mut text: &[u8]) {
    while let Some((plain, [special, rest @ ..])) = text.split_at_checked(plain_bytes(text)) {
        out.extend_from_slice(plain);
        escape(out, *special);
        text = rest;
    }
    out.extend_from_slice(text);
}

#[cold]
fn escape(out: &mut Vec<u8>, c: u8) {
    let short = match c {
        b'"' | b'\\' => c,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            let digit = |value: u8| if value < 10 { b'0' + value } else { b'a' + value - 10 };
            let text = [b'\\', b'u', b'0', b'0', digit(c >> 4), digit(c & 0xf)];
            return out.extend_from_slice(&text);
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}
