//! Requests that botocore and the SDK for JavaScript signed; how they were made is beside them.

use super::*;

const RECORDED: [(&str, &str); 7] = [
    ("list_streams", include_str!("botocore/list_streams.http")),
    ("put_records", include_str!("botocore/put_records.http")),
    ("session_token", include_str!("botocore/session_token.http")),
    ("date_header", include_str!("botocore/date_header.http")),
    ("blanks", include_str!("botocore/blanks.http")),
    ("presigned", include_str!("botocore/presigned.http")),
    ("js put_record over HTTP/2", include_str!("js/put_record.http")),
];

#[test]
fn all_are_let_in_as_their_caller() {
    for mode in [Mode::Verify, Mode::Any] {
        let verifier = verifier(mode);
        for (name, text) in RECORDED {
            let caller = Arriving::parse(text).verify(&verifier, signed_at()).unwrap();
            assert_eq!(caller.account.as_str(), "123456789012", "{name}");
            assert_eq!(caller.region.as_str(), "eu-west-1", "{name}");
            assert!([ID, SESSION_ID].contains(&caller.access_key_id.as_ref()), "{name}");
        }
    }
}

#[test]
fn the_javascript_one_signs_the_authority_and_has_no_host() {
    let request = Arriving::parse(include_str!("js/put_record.http"));
    assert!(request.header("authorization").contains("SignedHeaders=:authority;"));
    assert!(request.headers.iter().all(|(name, _)| name != "host"));
}

#[test]
fn a_signed_host_may_travel_as_the_authority() {
    let mut request = list_streams();
    let authority = request.header("host").to_owned();
    request.uri = format!("http://{authority}/");
    let without_host = request.without("host");
    assert!(without_host.verify(&verifier(Mode::Verify), signed_at()).is_ok());
}

#[test]
fn a_signed_authority_may_travel_as_the_host() {
    let mut request = Arriving::parse(include_str!("js/put_record.http"));
    "/".clone_into(&mut request.uri);
    let with_host = request.with("host", "127.0.0.1:4567");
    assert!(with_host.verify(&verifier(Mode::Verify), signed_at()).is_ok());
}

#[test]
fn the_parts_of_the_header_stand_in_any_order() {
    let verifier = verifier(Mode::Verify);
    let request = list_streams();
    let header = request.header("authorization").to_owned();
    let mut parts: Vec<&str> = header.split([',', ' ']).filter(|part| !part.is_empty()).collect();
    let algorithm = parts.remove(0);
    parts.reverse();
    for separator in [",", " ", " ,  ", ",,"] {
        let reordered = format!("{algorithm} {}", parts.join(separator));
        let changed = request.clone().with("authorization", &reordered);
        assert!(changed.verify(&verifier, signed_at()).is_ok(), "{reordered}");
    }
}

#[test]
fn unsigned_headers_are_free() {
    let changed = list_streams().with("user-agent", "another").with("x-forwarded-for", "10.0.0.1");
    assert!(changed.verify(&verifier(Mode::Verify), signed_at()).is_ok());
}

/// Every request that differs from `request` in one byte that matters.
fn tampered(request: &Arriving) -> Vec<Arriving> {
    let other = |byte: u8| if byte == b'x' { b'y' } else { b'x' };
    let change = |text: &str, index: usize| {
        let mut bytes = text.as_bytes().to_vec();
        bytes[index] = other(bytes[index]);
        String::from_utf8(bytes).unwrap()
    };
    let mut all = Vec::new();
    for index in 0..request.body.len() {
        let mut changed = request.clone();
        changed.body[index] ^= 1;
        all.push(changed);
    }
    all.push(Arriving { body: [&request.body[..], b" "].concat(), ..request.clone() });
    all.push(Arriving { method: "PUT".to_owned(), ..request.clone() });
    for end in ["?a", "&a=1", "a"] {
        all.push(Arriving { uri: format!("{}{end}", request.uri), ..request.clone() });
    }
    let path = request.uri.find("/?").map_or(request.uri.len(), |at| at + 1);
    for index in path..request.uri.len() {
        all.push(Arriving { uri: change(&request.uri, index), ..request.clone() });
    }
    for (name, value) in request.headers.iter().filter(|(name, _)| is_signed(request, name)) {
        let value = std::str::from_utf8(value).unwrap();
        all.push(request.clone().without(name));
        all.extend((0..value.len()).map(|i| request.clone().with(name, &change(value, i))));
        let mut twice = request.clone();
        twice.headers.push((name.clone(), value.into()));
        all.push(twice);
    }
    all
}

fn is_signed(request: &Arriving, name: &str) -> bool {
    let signed = match request.headers.iter().find(|(name, _)| name == "authorization") {
        Some((_, value)) => String::from_utf8(value.clone()).unwrap(),
        None => request.uri.replace("%3B", ";"),
    };
    signed.split(['=', ';', ',', '&']).any(|part| part == name)
}

#[test]
fn one_changed_byte_of_what_is_signed_refuses() {
    let verifier = verifier(Mode::Any);
    for (name, text) in RECORDED {
        let request = Arriving::parse(text);
        let changed = tampered(&request);
        assert!(changed.len() > 50, "{name}");
        for other in changed {
            let uri = &other.uri;
            // In this mode an unknown access key id is let in: as itself, with no account of ours.
            let outcome = other.verify(&verifier, signed_at());
            let harmless = outcome.is_err()
                || outcome.is_ok_and(|caller| caller.account.as_str() == "000000000000");
            assert!(harmless, "{name}: {} {uri} {:?}", other.method, other.headers);
        }
    }
}

#[test]
fn one_changed_byte_of_the_authorization_refuses() {
    let verifier = verifier(Mode::Verify);
    for (name, text) in RECORDED {
        let request = Arriving::parse(text);
        let Some((_, value)) = request.headers.iter().find(|(name, _)| name == "authorization")
        else {
            assert_eq!(name, "presigned");
            continue;
        };
        for index in 0..value.len() {
            let mut value = value.clone();
            value[index] = if value[index] == b'x' { b'y' } else { b'x' };
            let changed = String::from_utf8(value).unwrap();
            let changed = request.clone().with("authorization", &changed);
            assert!(changed.verify(&verifier, signed_at()).is_err(), "{name}, byte {index}");
        }
    }
}
