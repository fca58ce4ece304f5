//! Credentials that change while the program runs.

use std::{
    fs::{self, File, FileTimes},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use rustix::process::Signal;
use tempfile::TempDir;

use super::{child::Millpond, client::Client};
use crate::permissions::write_private;

/// Requests within which a change is noticed; a second has time for a fraction of them.
const REQUESTS_MAX: usize = 1_000_000;

const SECRET: &str = "obviously-fake-secret";

/// Knows the key `id`. With `--auth any`, everybody else is let in.
fn profile(id: &str) -> String {
    format!("[a]\naws_access_key_id = {id}\naws_secret_access_key = {SECRET}\n")
}

fn write(path: &Path, id: &str) {
    write_private(path, &profile(id));
}

/// A server whose credentials are in a file, a client that it lets in without knowing it, the file,
/// and the folder of that.
fn start(id: &str) -> (Millpond, Client, PathBuf, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials");
    write(&path, id);
    let flags = format!("dev --listen 127.0.0.1:0 --credentials {}", path.display());
    let server = Millpond::start(&flags);
    let mut client = server.client();
    wait_for(&mut client, 200);
    (server, client, path, folder)
}

/// Asks until the server answers so. The client's key is `test`, and its signature isn't true.
fn wait_for(client: &mut Client, status: u16) {
    let found = (0..REQUESTS_MAX).any(|_| client.send("ListStreams", "{}").status == status);
    assert!(found, "never answered with {status}");
}

#[test]
fn credentials_change_with_their_file() {
    let (server, mut client, path, _folder) = start("other");
    write(&path, "test");
    wait_for(&mut client, 400);
    // Half a file, as a slow editor leaves it: those before stay.
    write_private(&path, &format!("[a]\naws_access_key_id = other\n{SECRET}"));
    let log = loop {
        assert_eq!(client.send("ListStreams", "{}").status, 400);
        let metadata = fs::metadata(&path).unwrap();
        if metadata.modified().unwrap().elapsed().unwrap().as_secs() >= 4 {
            break server.stop();
        }
    };
    let errors: Vec<_> = log.lines().filter(|line| line.contains("ERROR")).collect();
    let words = "credentials not read, those before stay error=credentials file";
    assert!(errors.len() == 1 && errors[0].contains(words), "told once: {log}");
    assert!(!log.contains(SECRET), "{log}");
}

#[test]
fn a_hangup_has_credentials_read() {
    let (server, mut client, path, _folder) = start("tess");
    // A change that nobody sees from outside.
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    write(&path, "test");
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_times(FileTimes::new().set_modified(modified))
        .unwrap();
    server.signal(Signal::HUP);
    wait_for(&mut client, 400);
    assert_eq!(server.stop().lines().filter(|line| line.contains("ERROR")).count(), 0);
}

#[test]
fn policies_that_everybody_can_pass_by_are_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials");
    for (mode, policy, is_warned) in
        [("any", true, true), ("any", false, false), ("verify", true, false)]
    {
        let statement = r#"{"Effect": "Allow", "Action": "*", "Resource": "*"}"#;
        let line = format!("policy = {{\"Statement\": {statement}}}\n");
        let line = if policy { &*line } else { "" };
        write_private(&path, &(profile("other") + line));
        let path = path.display();
        let flags = format!("dev --listen 127.0.0.1:0 --auth {mode} --credentials {path}");
        let log = Millpond::start(&flags).stop();
        assert_eq!(log.contains("WARN"), is_warned, "{log}");
        assert_eq!(log.contains("policies of credentials keep nobody out"), is_warned, "{log}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_told_of_once() {
    let (server, mut client, path, _folder) = start("other");
    // Text can't be read from a folder, which looks the same each time.
    fs::remove_file(&path).unwrap();
    fs::DirBuilder::new().mode(0o700).create(&path).unwrap();
    let made = fs::metadata(&path).unwrap().modified().unwrap();
    while made.elapsed().unwrap().as_secs() < 4 {
        assert_eq!(client.send("ListStreams", "{}").status, 200);
    }
    fs::remove_dir(&path).unwrap();
    write(&path, "test");
    wait_for(&mut client, 400);
    let log = server.stop();
    let is_told = |line: &&str| line.contains("ERROR") && line.contains("Is a directory");
    assert_eq!(log.lines().filter(is_told).count(), 1, "{log}");
}
