//! The admin API of a real server: its token is made once, and is its owner's.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use super::{DEV, child::Millpond, serve};

fn status(server: &Millpond, authorization: &str) -> u16 {
    let mut client = server.client();
    let head =
        format!("GET /_millpond/clock HTTP/1.1\r\nhost: {}\r\n{authorization}\r\n", server.addr());
    client.write(head.as_bytes());
    client.read().status
}

fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}\r\n")
}

fn token_in(directory: &Path) -> String {
    let path = directory.join("admin.token");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    fs::read_to_string(path).unwrap().trim().to_owned()
}

#[test]
fn a_data_directory_keeps_its_token() {
    let directory = tempfile::tempdir().unwrap();
    let flags = format!("{} --admin on", serve(directory.path()));
    let server = Millpond::start(&flags);
    let token = token_in(directory.path());
    assert!(!server.banner().contains(&token), "the banner shows no secret");
    assert_eq!(status(&server, ""), 401, "serve asks everybody");
    assert_eq!(status(&server, &bearer(&token)), 200);
    assert!(!server.stop().contains(&token), "the log shows no secret");

    let server = Millpond::start(&flags);
    assert_eq!(status(&server, &bearer(&token)), 200, "a restart keeps it");
    let other = Millpond::start(&format!("{DEV} --admin-token another"));
    for any in ["", &bearer(&token), &bearer("another")] {
        assert_eq!(status(&other, any), 200, "dev asks nobody on this host");
    }
}

#[test]
fn without_the_admin_api_no_token_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let server = Millpond::start(&serve(directory.path()));
    assert_eq!(status(&server, ""), 404);
    assert!(!directory.path().join("admin.token").exists());
}
