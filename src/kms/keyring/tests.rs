//! Keys of a file, and keys made up.

use std::{fs, os::unix::fs::PermissionsExt as _};

use base64_simd::STANDARD as BASE64;
use tempfile::TempDir;

use super::*;

const KEY: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";
const OTHER: &str = "22222222-12ab-34cd-56ef-1234567890ab";
const ACCOUNT: &str = "111122223333";

struct Case {
    directory: TempDir,
}

impl Case {
    fn with(text: &str) -> Self {
        let case = Self { directory: TempDir::new().unwrap() };
        case.write(text);
        case
    }

    fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("keyring.toml")
    }

    /// In place of what was there, as editors do it.
    fn write(&self, text: &str) {
        let new = self.directory.path().join("new");
        fs::write(&new, text).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(new, self.path()).unwrap();
    }

    fn read(&self) -> Keyring {
        Keyring::read(&self.path()).unwrap()
    }
}

fn key(id: &str, material: u8, more: &str) -> String {
    let material = BASE64.encode_to_string([material; 32]);
    format!("[[key]]\nid = \"{id}\"\nmaterial = \"{material}\"\n{more}\n")
}

fn stream(account: &str) -> StreamArn {
    format!("arn:aws:kinesis:us-east-1:{account}:stream/clicks").parse().unwrap()
}

/// What comes of a data key that is wrapped and unwrapped again.
async fn round(keys: &Keyring, key_id: &str, stream: &StreamArn) -> Result<(), KmsFault> {
    let wrapped = keys.generate(key_id, stream).await.map_err(|error| error.fault)?;
    let opened = keys.decrypt(&wrapped, stream).await.unwrap();
    assert_eq!(keys.decrypt(&wrapped, stream).await.unwrap().expose(), opened.expose());
    let other = keys.generate(key_id, stream).await.unwrap();
    assert_ne!(keys.decrypt(&other, stream).await.unwrap().expose(), opened.expose());
    let bytes = opened.expose();
    assert!(!wrapped.windows(32).any(|window| window == bytes), "it is in the clear");
    Ok(())
}

#[tokio::test]
async fn a_key_is_found_by_each_of_its_names() {
    let arn = format!("arn:aws:kms:us-east-1:{ACCOUNT}:key/{OTHER}");
    let aliases = "aliases = [\"alias/aws/kinesis\", \"alias/a\"]";
    let own = format!("account = \"{ACCOUNT}\"\naliases = [\"alias/own\"]");
    let third = "33333333-12ab-34cd-56ef-1234567890ab";
    let text = [key(KEY, 1, aliases), key(&arn, 2, ""), key(third, 3, &own)].concat();
    let case = Case::with(&text);
    let keys = case.read();
    let (own, stranger) = (stream(ACCOUNT), stream("000000000000"));
    let of = |name: &str, account: &str| format!("arn:aws:kms:us-east-1:{account}:{name}");
    let own_key = of(&format!("key/{third}"), ACCOUNT);
    for (key_id, stream, outcome) in [
        (KEY, &own, Ok(())),
        ("alias/aws/kinesis", &own, Ok(())),
        ("alias/a", &stranger, Ok(())),
        (of("alias/a", "000000000000").as_str(), &stranger, Ok(())),
        (OTHER, &own, Ok(())),
        (&arn, &own, Ok(())),
        ("alias/own", &own, Ok(())),
        (&own_key, &own, Ok(())),
        (&arn, &stranger, Err(KmsFault::AccessDenied)),
        (&own_key, &stranger, Err(KmsFault::AccessDenied)),
        (OTHER, &stranger, Err(KmsFault::NotFound)),
        ("alias/own", &stranger, Err(KmsFault::NotFound)),
        ("alias/none", &own, Err(KmsFault::NotFound)),
        ("none", &own, Err(KmsFault::NotFound)),
        (&arn.replace("us-east-1", "eu-west-1"), &own, Err(KmsFault::NotFound)),
    ] {
        assert_eq!(round(&keys, key_id, stream).await, outcome, "{key_id} for {stream}");
    }
}

#[tokio::test]
async fn a_data_key_opens_under_its_key_and_for_its_stream_only() {
    let case = Case::with(&key(KEY, 1, "aliases = [\"alias/a\"]"));
    let keys = case.read();
    let (own, other) = (stream(ACCOUNT), stream("000000000000"));
    let wrapped = keys.generate("alias/a", &own).await.unwrap();
    let fault = async |stream: &StreamArn, wrapped: &[u8]| {
        keys.decrypt(wrapped, stream).await.map(|_| ()).map_err(|error| error.fault)
    };
    assert_eq!(fault(&own, &wrapped).await, Ok(()));
    assert_eq!(fault(&other, &wrapped).await, Err(KmsFault::InvalidState));
    for at in 0..wrapped.len() {
        let mut damaged = wrapped.clone();
        damaged[at] ^= 1;
        assert!(fault(&own, &damaged).await.is_err(), "byte {at}");
        assert!(fault(&own, &wrapped[..at]).await.is_err(), "{at} bytes");
    }
    // The alias has moved: what counts is the key that wrapped it.
    case.write(&[key(KEY, 1, ""), key(OTHER, 2, "aliases = [\"alias/a\"]")].concat());
    assert_eq!(fault(&own, &wrapped).await, Ok(()));
    case.write(&key(KEY, 3, ""));
    assert_eq!(fault(&own, &wrapped).await, Err(KmsFault::InvalidState));
    case.write(&key(KEY, 1, "state = \"disabled\""));
    assert_eq!(fault(&own, &wrapped).await, Err(KmsFault::Disabled));
    assert_eq!(round(&keys, KEY, &own).await, Err(KmsFault::Disabled));
    case.write(&key(OTHER, 1, ""));
    assert_eq!(fault(&own, &wrapped).await, Err(KmsFault::NotFound));
}

#[tokio::test]
async fn a_file_that_got_worse_leaves_the_keys_as_they_were() {
    let case = Case::with(&key(KEY, 1, ""));
    let keys = case.read();
    case.write("nonsense");
    assert_eq!(round(&keys, KEY, &stream(ACCOUNT)).await, Ok(()));
    fs::remove_file(case.path()).unwrap();
    assert_eq!(round(&keys, KEY, &stream(ACCOUNT)).await, Ok(()));
    case.write(&key(OTHER, 1, ""));
    assert_eq!(round(&keys, OTHER, &stream(ACCOUNT)).await, Ok(()));
    assert_eq!(round(&keys, KEY, &stream(ACCOUNT)).await, Err(KmsFault::NotFound));
}

/// What the warning asks for changes neither the text nor its time.
#[tokio::test]
async fn a_file_that_was_open_to_others_is_read_once_it_is_closed() {
    let case = Case::with(&key(KEY, 1, ""));
    let keys = case.read();
    let mode = |mode| fs::set_permissions(case.path(), fs::Permissions::from_mode(mode)).unwrap();
    case.write(&key(KEY, 1, "state = \"disabled\""));
    mode(0o644);
    assert_eq!(round(&keys, KEY, &stream(ACCOUNT)).await, Ok(()));
    mode(0o600);
    assert_eq!(round(&keys, KEY, &stream(ACCOUNT)).await, Err(KmsFault::Disabled));
}

#[test]
fn each_mistake_has_its_sentence_and_no_secret() {
    let secret = BASE64.encode_to_string([7; 32]);
    let twice = [key(KEY, 7, ""), key(KEY, 7, "")].concat();
    let alias = "aliases = [\"alias/a\"]";
    let shared = [key(KEY, 7, alias), key(OTHER, 7, alias)].concat();
    let arn = format!("arn:aws:kms:us-east-1:{ACCOUNT}:key/{KEY}");
    let swapped = format!("[[key]]\nid = \"{secret}\"\nmaterial = \"{KEY}\"\n");
    let pasted = format!("aliases = [\"{secret}\"]");
    for (text, sentence) in [
        (String::new(), "it holds no [[key]]"),
        (format!("[[key]]\nmaterial = \"{secret}\"\n"), "line 1 is wrong"),
        (format!("[[key]]\nid = \"{KEY}\"\nmaterial = {secret}"), "line 3 is wrong"),
        (key(KEY, 7, "colour = \"red\""), "line 4 is wrong"),
        (key(KEY, 7, &format!("state = \"{secret}\"")), "line 4 is wrong"),
        (key(KEY, 7, &format!("aliases = \"{secret}\"")), "line 4 is wrong"),
        (swapped, "[[key]] number 1: its id is no id of a key"),
        (key("alias/a", 7, ""), "number 1: its id is no id of a key"),
        ([key(OTHER, 7, ""), key(KEY, 7, &pasted)].concat(), "number 2: an alias is none"),
        (key(KEY, 7, "account = \"1\""), "is not twelve digits"),
        (key(&arn, 7, "account = \"000000000000\""), "another one than in its ARN"),
        (format!("[[key]]\nid = \"{KEY}\"\nmaterial = \"{}\"", &secret[4..]), "is not 32 bytes"),
        (twice, "[[key]] number 2: number 1 has the same id, or the same alias"),
        (shared, "[[key]] number 2: number 1 has the same id, or the same alias"),
    ] {
        let case = Case::with(&text);
        let error = Keyring::read(&case.path()).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(sentence), "{text}: {error}");
        assert!(!error.contains(&secret[4..]), "{error}");
    }
}

#[test]
fn a_file_that_others_may_read_is_refused() {
    let case = Case::with(&key(KEY, 7, ""));
    fs::set_permissions(case.path(), fs::Permissions::from_mode(0o640)).unwrap();
    let error = Keyring::read(&case.path()).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("mode 640"), "{error}");
}

#[tokio::test]
async fn made_up_keys_are_the_same_in_every_process() {
    let (own, other) = (stream(ACCOUNT), stream("000000000000"));
    let first = Keyring::made_up();
    let wrapped = first.generate("alias/a", &own).await.unwrap();
    let opened = first.decrypt(&wrapped, &own).await.unwrap();
    let keys = Keyring::made_up();
    assert_eq!(keys.decrypt(&wrapped, &own).await.unwrap().expose(), opened.expose());
    assert!(keys.decrypt(&wrapped, &other).await.is_err());
    assert_eq!(round(&keys, "clicks", &own).await, Err(KmsFault::NotFound));
}
