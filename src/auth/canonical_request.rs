//! The canonical form of a request: the bytes whose SHA-256 a signature covers.
//!
//! Source of facts: "Create a signed AWS API request" in AWS' IAM user guide, and what the SDKs
//! were seen to sign.

use std::borrow::Cow;

use http::{header, request::Parts};
use memchr::memchr;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};

use super::authorization::{Authorization, split};

/// Enough for the requests that SDKs send, so that the text is allocated once.
const CAPACITY: usize = 1024;

/// All but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

/// Writes the canonical request, whose last line is `payload_hash`.
///
/// `None` when `SignedHeaders` is not a strictly ascending list of lower-case names that the
/// request has. AWS' form is sorted, so no other list can match; and as no header can be named
/// twice, the text is hardly longer than the request.
pub(super) fn canonical_request(
    request: &Parts,
    authorization: &Authorization<'_>,
    payload_hash: &[u8],
) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(CAPACITY);
    out.extend_from_slice(request.method.as_str().as_bytes());
    out.push(b'\n');
    push_path(&mut out, request.uri.path());
    out.push(b'\n');
    if let Some(query) = request.uri.query() {
        push_query(&mut out, query, authorization.presigned);
    }
    out.push(b'\n');
    push_headers(&mut out, request, &authorization.signed_headers)?;
    out.push(b'\n');
    out.extend_from_slice(authorization.signed_headers.as_bytes());
    out.push(b'\n');
    out.extend_from_slice(payload_hash);
    Some(out)
}

/// The path without empty and dot segments, encoded once more than it came.
fn push_path(out: &mut Vec<u8>, path: &str) {
    if matches!(path, "" | "/") {
        out.push(b'/');
        return;
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            name => segments.push(name),
        }
    }
    for segment in &segments {
        out.push(b'/');
        out.extend(percent_encode(segment.as_bytes(), RESERVED_IN_PATH).flat_map(str::bytes));
    }
    let folder = ["/", "/.", "/.."].iter().any(|end| path.ends_with(end));
    if segments.is_empty() || folder {
        out.push(b'/');
    }
}

/// The parameters, decoded, encoded alike, and sorted. A presigned request's signature does not
/// cover itself.
fn push_query(out: &mut Vec<u8>, query: &str, presigned: bool) {
    let encode = |text: &[u8]| percent_encode(text, RESERVED).to_string();
    let mut pairs: Vec<(String, String)> = query_pairs(query)
        .filter(|(name, _)| !(presigned && name.as_ref() == b"X-Amz-Signature"))
        .map(|(name, value)| (encode(&name), encode(&value)))
        .collect();
    pairs.sort_unstable();
    for (index, (name, value)) in pairs.iter().enumerate() {
        if index > 0 {
            out.push(b'&');
        }
        out.extend_from_slice(name.as_bytes());
        out.push(b'=');
        out.extend_from_slice(value.as_bytes());
    }
}

/// The names and values of a query, decoded as a form is, where `+` is a blank.
pub(super) fn query_pairs(query: &str) -> impl Iterator<Item = (Cow<'_, [u8]>, Cow<'_, [u8]>)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

fn decode(text: &str) -> Cow<'_, [u8]> {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        Cow::Owned(percent_decode(spaced.as_bytes()).collect())
    } else {
        percent_decode(text.as_bytes()).into()
    }
}

fn push_headers(out: &mut Vec<u8>, request: &Parts, signed_headers: &str) -> Option<()> {
    let mut previous = "";
    for name in split(signed_headers, |rest| memchr(b';', rest)) {
        if name <= previous || name.bytes().any(|c| c.is_ascii_uppercase()) {
            return None;
        }
        previous = name;
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        push_header_values(out, request, name)?;
        out.push(b'\n');
    }
    Some(())
}

fn push_header_values(out: &mut Vec<u8>, request: &Parts, name: &str) -> Option<()> {
    let mut values = request.headers.get_all(name).iter().map(http::HeaderValue::as_bytes);
    let first = values.next().or_else(|| host_of(request, name))?;
    push_trimmed(out, first);
    for value in values {
        out.push(b',');
        push_trimmed(out, value);
    }
    Some(())
}

/// What stands for the host where the signed name of it is not a header that came: over HTTP/2
/// it travels as `:authority`, which some clients sign as `host` and some by that name.
fn host_of<'a>(request: &'a Parts, name: &str) -> Option<&'a [u8]> {
    let authority = || request.uri.authority().map(|authority| authority.as_str().as_bytes());
    let host = || request.headers.get(header::HOST).map(http::HeaderValue::as_bytes);
    match name {
        "host" => authority(),
        ":authority" => authority().or_else(host),
        _ => None,
    }
}

/// The value without blanks around it, and with one blank for each run of them within.
fn push_trimmed(out: &mut Vec<u8>, value: &[u8]) {
    let value = value.trim_ascii();
    // Counted to the end rather than searched: many pairs are looked at at a time then.
    let neighbours = value.iter().zip(value.iter().skip(1));
    if neighbours.filter(|pair| *pair == (&b' ', &b' ')).count() == 0 {
        out.extend_from_slice(value);
        return;
    }
    let mut after_blank = false;
    for &byte in value {
        let blank = byte == b' ';
        if !(blank && after_blank) {
            out.push(byte);
        }
        after_blank = blank;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> String {
        let mut out = Vec::new();
        push_path(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    fn query(text: &str, presigned: bool) -> String {
        let mut out = Vec::new();
        push_query(&mut out, text, presigned);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn paths_are_normalised_and_encoded_again() {
        for (raw, canonical) in [
            ("", "/"),
            ("/", "/"),
            ("//", "/"),
            ("/a/./b//c", "/a/b/c"),
            ("/a/../b/", "/b/"),
            ("/a/b/..", "/a/"),
            ("/..", "/"),
            ("/a/.", "/a/"),
            ("/a..", "/a.."),
            ("/a%20b", "/a%2520b"),
            ("/a:b,c~", "/a%3Ab%2Cc~"),
        ] {
            assert_eq!(path(raw), canonical, "{raw}");
        }
    }

    #[test]
    fn queries_are_sorted_and_encoded_alike() {
        for (raw, canonical) in [
            ("", ""),
            ("b=2&a=1", "a=1&b=2"),
            ("a=2&a=1&a", "a=&a=1&a=2"),
            ("a=x+y%20z%2b", "a=x%20y%20z%2B"),
            ("&&a=b=c", "a=b%3Dc"),
            ("a=%zz%7E", "a=%25zz~"),
            ("a=%ff", "a=%FF"),
            ("a=/?:@", "a=%2F%3F%3A%40"),
        ] {
            assert_eq!(query(raw, false), canonical, "{raw}");
        }
    }

    #[test]
    fn only_a_presigned_query_leaves_its_signature_out() {
        assert_eq!(query("X-Amz-Signature=f&a=1", true), "a=1");
        assert_eq!(query("X-Amz-Signature=f&a=1", false), "X-Amz-Signature=f&a=1");
    }

    #[test]
    fn values_keep_one_blank_of_each_run() {
        for (raw, canonical) in
            [("", ""), ("  a   b  c ", "a b c"), ("a b", "a b"), ("   ", ""), ("\ta\t", "a")]
        {
            let mut out = Vec::new();
            push_trimmed(&mut out, raw.as_bytes());
            assert_eq!(out, canonical.as_bytes(), "{raw}");
        }
    }
}
