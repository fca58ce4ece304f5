//! Encryption with real files: what is on the disk, and what a server can do with which keyring.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use base64_simd::STANDARD as BASE64;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    child::{Millpond, run_to_end},
    client::{Client, put_record},
    serve,
};

const KEY: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

/// Long, and in itself without repetition, so that it isn't found by chance.
const SECRET: &str = "the quick brown fox jumps over the lazy dog, 0123456789";

/// A data directory, and a keyring beside it.
struct Case {
    data: TempDir,
    home: TempDir,
}

impl Case {
    fn new() -> Self {
        Self { data: TempDir::new().unwrap(), home: TempDir::new().unwrap() }
    }

    fn keyring(&self) -> PathBuf {
        self.home.path().join("keyring.toml")
    }

    /// Writes the keyring: one key of this material.
    fn write(&self, material: u8, state: &str) {
        let material = BASE64.encode_to_string([material; 32]);
        let text = format!(
            "[[key]]\nid = \"{KEY}\"\naliases = [\"alias/clicks\"]\n\
             material = \"{material}\"\nstate = \"{state}\"\n"
        );
        let new = self.keyring().with_extension("new");
        let mut file =
            OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&new);
        file.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
        fs::rename(new, self.keyring()).unwrap();
    }

    fn start(&self) -> Millpond {
        let keyring = self.keyring();
        Millpond::start(&format!("{} --keyring {}", serve(self.data.path()), keyring.display()))
    }

    fn start_without(&self) -> Millpond {
        Millpond::start(&serve(self.data.path()))
    }

    /// A server with the stream `clicks`, which is encrypted, and `orders`, which isn't.
    fn started(&self) -> Millpond {
        self.write(1, "enabled");
        let server = self.start();
        let mut client = server.client();
        client.create("clicks", 1);
        client.create("orders", 1);
        let input =
            json!({"StreamName": "clicks", "EncryptionType": "KMS", "KeyId": "alias/clicks"});
        assert_eq!(client.send("StartStreamEncryption", &input.to_string()).status, 200);
        server
    }
}

/// The code of a refused PutRecord to `clicks`.
fn refused_put(client: &mut Client) -> String {
    let answer = client.send("PutRecord", &put_record("clicks", "k", "never"));
    assert_eq!(answer.status, 400);
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    body["__type"].as_str().unwrap().to_owned()
}

/// Files below `directory` that hold `bytes`.
fn holding(directory: &Path, bytes: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path, bytes));
        } else if fs::read(&path).unwrap().windows(bytes.len()).any(|window| window == bytes) {
            found.push(path);
        }
    }
    found
}

/// Neither in the log that is written ahead, nor after a sync in any other file; nor is any key.
#[test]
fn no_file_holds_what_was_put_to_an_encrypted_stream() {
    let case = Case::new();
    let server = case.started();
    let mut client = server.client();
    for n in 0..100 {
        client.put("clicks", "k", &format!("{n} {SECRET}"));
    }
    // Large enough for a file of its own.
    client.put("clicks", "k", &format!("{SECRET}{}", "x".repeat(300_000)));
    let data = case.data.path();
    assert_eq!(holding(data, SECRET.as_bytes()), [] as [PathBuf; 0], "while it runs");
    assert_eq!(server.stop().matches("panic").count(), 0);
    assert_eq!(holding(data, SECRET.as_bytes()), [] as [PathBuf; 0], "at rest");
    assert_eq!(holding(data, &[1; 32]), [] as [PathBuf; 0], "the master key");

    let server = case.start();
    let mut client = server.client();
    assert_eq!(client.texts("clicks", 0)[..100].len(), 100);
    client.put("orders", "k", SECRET);
    assert_ne!(holding(data, SECRET.as_bytes()), [] as [PathBuf; 0], "the search finds it");
}

#[test]
fn a_start_that_failed_leaves_no_declared_stream_in_the_clear() {
    let case = Case::new();
    case.write(1, "disabled");
    let file = case.home.path().join("millpond.toml");
    let text = "[[streams]]\nname = \"clicks\"\nretention-hours = 48\n\
         encryption-key = \"alias/clicks\"\n";
    fs::write(&file, text).unwrap();
    let (keyring, data) = (case.keyring(), serve(case.data.path()));
    let arguments = format!("{data} --keyring {} --config {}", keyring.display(), file.display());
    let (code, _, said) = run_to_end(&arguments);
    assert_ne!(code, Some(0));
    assert!(said.contains("stream clicks can't be made as declared"), "{said}");

    case.write(1, "enabled");
    let server = Millpond::start(&arguments);
    let mut client = server.client();
    let summary = client.call("DescribeStreamSummary", &json!({"StreamName": "clicks"}));
    let summary = &summary["StreamDescriptionSummary"];
    assert_eq!(
        (&summary["KeyId"], &summary["EncryptionType"]),
        (&json!("alias/clicks"), &json!("KMS"))
    );
    assert_eq!(summary["RetentionPeriodHours"], 48);
    client.put("clicks", "k", SECRET);
    assert_eq!(holding(case.data.path(), SECRET.as_bytes()), [] as [PathBuf; 0]);

    // Who has stopped it since has the last word, and needs the key no more.
    assert_eq!(
        client
            .send(
                "StopStreamEncryption",
                &json!({"StreamName": "clicks", "EncryptionType": "KMS", "KeyId": "alias/clicks"})
                    .to_string()
            )
            .status,
        200
    );
    drop(client);
    let said = server.stop();
    assert!(!said.contains("not as declared"), "{said}");
    case.write(1, "disabled");
    let server = Millpond::start(&arguments);
    let mut client = server.client();
    let summary = client.call("DescribeStreamSummary", &json!({"StreamName": "clicks"}));
    assert_eq!(summary["StreamDescriptionSummary"]["EncryptionType"], "NONE");
    drop(client);
    let said = server.stop();
    assert!(said.contains("encryption-key is none, declared alias/clicks"), "{said}");
}

#[test]
fn records_are_read_after_a_restart_with_the_same_keyring_and_no_other() {
    let case = Case::new();
    let server = case.started();
    let mut client = server.client();
    client.put("clicks", "k", "1");
    client.put("orders", "k", "1");
    drop(client);
    server.kill();

    let server = case.start_without();
    let mut client = server.client();
    assert_eq!(refused_put(&mut client), "KMSNotFoundException");
    assert_eq!(client.texts("orders", 0), ["1"]);
    drop((client, server));

    case.write(2, "enabled");
    let server = case.start();
    let mut client = server.client();
    assert_eq!(refused_put(&mut client), "KMSInvalidStateException");
    assert_eq!(client.texts("orders", 0), ["1"]);
    drop((client, server));

    case.write(1, "disabled");
    let server = case.start();
    let mut client = server.client();
    assert_eq!(refused_put(&mut client), "KMSDisabledException");
    drop((client, server));

    case.write(1, "enabled");
    let server = case.start();
    let mut client = server.client();
    client.put("clicks", "k", "2");
    assert_eq!(client.texts("clicks", 0), ["1", "2"]);
}

/// The file is read again; a key that was asked for and refused may be asked for again soon.
#[test]
fn a_keyring_that_changed_needs_no_restart() {
    let case = Case::new();
    drop(case.started());
    case.write(1, "disabled");
    let server = case.start();
    let mut client = server.client();
    assert_eq!(refused_put(&mut client), "KMSDisabledException");
    case.write(1, "enabled");
    let input = json!({"StreamName": "orders", "EncryptionType": "KMS", "KeyId": KEY});
    assert_eq!(client.send("StartStreamEncryption", &input.to_string()).status, 200);
    client.put("orders", "k", "1");
    assert_eq!(client.texts("orders", 0), ["1"]);
}

#[test]
fn a_keyring_that_cant_be_used_is_refused_at_the_start() {
    let case = Case::new();
    let flags = format!("{} --keyring {}", serve(case.data.path()), case.keyring().display());
    let (code, _, words) = run_to_end(&flags);
    assert_eq!(code, Some(2));
    assert!(words.contains("cannot be read"), "{words}");
    case.write(1, "enabled");
    fs::set_permissions(case.keyring(), std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .unwrap();
    let (code, _, words) = run_to_end(&flags);
    assert_eq!(code, Some(2));
    assert!(words.contains("chmod 600"), "{words}");
}
