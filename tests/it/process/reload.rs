//! Credentials that change while the program runs.

use std::{
    fs::{self, File, FileTimes, Permissions},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::Path,
};

use rustix::process::Signal;

use super::{child::Millpond, client::Client};

/// Requests within which a change is noticed; a second has time for a fraction of them.
const REQUESTS_MAX: usize = 1_000_000;

const SECRET: &str = "obviously-fake-secret";

/// Knows the key `id`. With `--auth any`, everybody else is let in.
fn write(path: &Path, id: &str) {
    let secret = SECRET;
    let text = format!("[a]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n");
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

fn start(path: &Path) -> Millpond {
    let path = path.display();
    Millpond::start(&format!("dev --listen 127.0.0.1:0 --credentials {path}"))
}

/// Asks until the server answers so. The client's key is `test`, and its signature isn't true.
fn wait_for(client: &mut Client, status: u16) {
    let found = (0..REQUESTS_MAX).any(|_| client.send("ListStreams", "{}").status == status);
    assert!(found, "never answered with {status}");
}

#[test]
fn credentials_change_with_their_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials");
    write(&path, "other");
    let server = start(&path);
    let mut client = server.client();
    wait_for(&mut client, 200);
    write(&path, "test");
    wait_for(&mut client, 400);
    // Half a file, as a slow editor leaves it: those before stay.
    fs::write(&path, format!("[a]\naws_access_key_id = other\n{SECRET}")).unwrap();
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
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials");
    write(&path, "tess");
    let server = start(&path);
    let mut client = server.client();
    wait_for(&mut client, 200);
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
        write(&path, "other");
        if policy {
            let statement = r#"{"Effect": "Allow", "Action": "*", "Resource": "*"}"#;
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, format!("{text}policy = {{\"Statement\": {statement}}}\n")).unwrap();
        }
        let path = path.display();
        let flags = format!("dev --listen 127.0.0.1:0 --auth {mode} --credentials {path}");
        let log = Millpond::start(&flags).stop();
        assert_eq!(log.contains("WARN"), is_warned, "{log}");
        assert_eq!(log.contains("policies of credentials keep nobody out"), is_warned, "{log}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_told_of_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials");
    write(&path, "other");
    let server = start(&path);
    let mut client = server.client();
    wait_for(&mut client, 200);
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
