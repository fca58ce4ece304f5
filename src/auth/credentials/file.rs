//! The credentials file: the INI format that AWS' SDKs and CLI share, readable by its owner only.

use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use millpond_api::types::Timestamp;
use thiserror::Error;

use super::{Credential, InvalidCredential, parse_account};
use crate::auth::date::AmzDate;

/// Bytes that a credentials file may have; room for some thousand profiles.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The permission bits of everybody but the owner.
const MODE_OTHERS: u32 = 0o077;

/// Why a credentials file cannot be used. Quotes no value of the file.
#[derive(Debug, Error)]
pub enum InvalidFile {
    /// The file cannot be read.
    #[error("credentials file {path} cannot be read: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// People other than the owner may read or change the file.
    #[error(
        "credentials file {path} is open to others than its owner (mode {mode:03o}); \
         run: chmod 600 {path}"
    )]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },

    /// The file is implausibly large.
    #[error("credentials file {path} has more than {FILE_BYTES_MAX} bytes")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },

    /// The file has no profile, so that nobody could come in.
    #[error("credentials file {path} holds no credentials")]
    Empty {
        /// The file.
        path: PathBuf,
    },

    /// A line or a profile is wrong.
    #[error("credentials file {path}, line {line}: {mistake}")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1; of a profile, its heading.
        line: usize,
        /// What is wrong.
        mistake: Mistake,
    },
}

/// What can be wrong with a line or a profile of a credentials file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Mistake {
    /// Neither a heading, a comment, nor a key with a value.
    #[error("expected [profile], key = value, or a comment after # or ;")]
    Syntax,
    /// A key before the first heading.
    #[error("a [profile] heading must come first")]
    NoProfile,
    /// A key that means nothing here.
    #[error(
        "the key {0} is unknown; known are aws_access_key_id, aws_secret_access_key, \
         aws_session_token, aws_session_expiration, and account or aws_account_id"
    )]
    Key(String),
    /// A key that the profile has already.
    #[error("the profile has {0} already")]
    Twice(&'static str),
    /// A profile without a key that it needs.
    #[error("the profile has no {0}")]
    Lacks(&'static str),
    /// A session's end that is not a time.
    #[error("aws_session_expiration is a time such as 2030-01-31T12:00:00Z")]
    Expiration,
    /// An expiration without a token to expire.
    #[error("aws_session_expiration needs aws_session_token")]
    Sessionless,
    /// A value that no credential can have.
    #[error(transparent)]
    Credential(#[from] InvalidCredential),
}

const ID: &str = "aws_access_key_id";
const SECRET: &str = "aws_secret_access_key";
const TOKEN: &str = "aws_session_token";
const EXPIRATION: &str = "aws_session_expiration";
const ACCOUNT: &str = "account";

/// What users keep in `~/.aws/credentials` beside their keys.
const PASSED_OVER: [&str; 2] = ["region", "output"];

#[derive(Default)]
struct Profile<'a> {
    line: usize,
    id: Option<&'a str>,
    secret: Option<&'a str>,
    token: Option<&'a str>,
    expiration: Option<&'a str>,
    account: Option<&'a str>,
}

impl Credential {
    /// Reads all profiles of a file like `~/.aws/credentials`, in which each may also have an
    /// `account` (or `aws_account_id`) and an `aws_session_expiration`.
    ///
    /// # Errors
    /// When the file cannot be read, when others than its owner may, when any part of it is not
    /// understood, or when it holds no credential.
    pub fn read_file(path: &Path) -> Result<Vec<Self>, InvalidFile> {
        let text = read_private(path)?;
        let credentials = parse(&text).map_err(|(line, mistake)| InvalidFile::Line {
            path: path.to_owned(),
            line,
            mistake,
        })?;
        if credentials.is_empty() {
            return Err(InvalidFile::Empty { path: path.to_owned() });
        }
        Ok(credentials)
    }
}

fn read_private(path: &Path) -> Result<String, InvalidFile> {
    let unreadable = |source| InvalidFile::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    // Ask the open file, not the path: the one that is checked is the one that is read.
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
    if mode & MODE_OTHERS != 0 {
        return Err(InvalidFile::OpenToOthers { path: path.to_owned(), mode });
    }
    let mut text = String::new();
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(InvalidFile::TooLarge { path: path.to_owned() });
    }
    Ok(text)
}

fn parse(text: &str) -> Result<Vec<Credential>, (usize, Mistake)> {
    let mut profiles: Vec<Profile<'_>> = Vec::new();
    for (line, content) in (1..).zip(text.lines().map(str::trim)) {
        if content.is_empty() || content.starts_with(['#', ';']) {
            continue;
        }
        if content.starts_with('[') && content.ends_with(']') {
            profiles.push(Profile { line, ..Profile::default() });
            continue;
        }
        let profile = profiles.last_mut().ok_or((line, Mistake::NoProfile))?;
        let (key, value) = content.split_once('=').ok_or((line, Mistake::Syntax))?;
        profile.set(key.trim(), value.trim()).map_err(|mistake| (line, mistake))?;
    }
    profiles.iter().map(|p| p.credential().map_err(|mistake| (p.line, mistake))).collect()
}

impl<'a> Profile<'a> {
    fn set(&mut self, key: &str, value: &'a str) -> Result<(), Mistake> {
        let (name, field) = match key {
            ID => (ID, &mut self.id),
            SECRET => (SECRET, &mut self.secret),
            TOKEN => (TOKEN, &mut self.token),
            EXPIRATION => (EXPIRATION, &mut self.expiration),
            ACCOUNT | "aws_account_id" => (ACCOUNT, &mut self.account),
            _ if PASSED_OVER.contains(&key) => return Ok(()),
            _ if is_key(key) => return Err(Mistake::Key(key.to_owned())),
            _ => return Err(Mistake::Syntax),
        };
        match field.replace(value) {
            None => Ok(()),
            Some(_) => Err(Mistake::Twice(name)),
        }
    }

    fn credential(&self) -> Result<Credential, Mistake> {
        let id = self.id.ok_or(Mistake::Lacks(ID))?;
        let secret = self.secret.ok_or(Mistake::Lacks(SECRET))?;
        let account = self.account.map(|text| parse_account(id, text)).transpose()?;
        let credential = Credential::new(id, secret, account)?;
        let expires_at = self.expiration.map(parse_expiration).transpose()?;
        match self.token.filter(|token| !token.is_empty()) {
            Some(token) => Ok(credential.with_session(token, expires_at)),
            None if expires_at.is_some() => Err(Mistake::Sessionless),
            None => Ok(credential),
        }
    }
}

/// What else stands before a `=` may be a secret of which that is the end.
fn is_key(text: &str) -> bool {
    text.bytes().all(|c| c.is_ascii_lowercase() || c == b'_')
}

fn parse_expiration(text: &str) -> Result<Timestamp, Mistake> {
    let date = AmzDate::parse_extended(text).ok_or(Mistake::Expiration)?;
    Ok(Timestamp::from_millis(date.seconds() * 1000))
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, Permissions},
        io::Write as _,
    };

    use super::*;
    use crate::auth::Refusal;

    const TWO_PROFILES: &str = "\
# made for tests
[default]
aws_access_key_id = AKIDEXAMPLE
aws_secret_access_key=wJalr/XUtn+FEMI=
account = 123456789012

[session]
  aws_access_key_id = ASIAEXAMPLE
  aws_secret_access_key = fake
  ; of a role
  aws_session_token = token==
  aws_session_expiration = 2030-01-31T12:00:00Z
";

    fn mistake(text: &str) -> (usize, Mistake) {
        parse(text).unwrap_err()
    }

    #[test]
    fn profiles_become_credentials() {
        let read = parse(TWO_PROFILES).unwrap();
        let [default, session] = read.as_slice() else { panic!("two profiles") };
        assert_eq!(default.id().as_ref(), "AKIDEXAMPLE");
        assert_eq!(default.secret(), "wJalr/XUtn+FEMI=");
        assert_eq!(default.account(), Some("123456789012".parse().unwrap()));
        assert_eq!(session.account(), None);

        let end = AmzDate::parse("20300131T120000Z").unwrap().seconds();
        let check =
            |seconds| session.check_token(Some("token=="), Timestamp::from_millis(seconds * 1000));
        assert_eq!(check(end - 1), Ok(()));
        assert_eq!(check(end), Err(Refusal::ExpiredToken));
    }

    #[test]
    fn what_tools_keep_beside_the_keys_is_passed_over() {
        let beside =
            TWO_PROFILES.replace("account =", "region = eu-west-1\noutput=json\naccount =");
        assert_eq!(parse(&beside).unwrap().len(), 2);
    }

    #[test]
    fn a_file_without_credentials_is_an_error() {
        let file = file_with_mode(0o600);
        for text in ["", "# nothing yet\n"] {
            fs::write(file.path(), text).unwrap();
            let error = Credential::read_file(file.path()).unwrap_err().to_string();
            let path = file.path().display();
            assert_eq!(error, format!("credentials file {path} holds no credentials"));
        }
    }

    #[test]
    fn each_mistake_names_its_line() {
        let profile = "[p]\naws_access_key_id = A\naws_secret_access_key = hush\n";
        for (text, line, expected) in [
            ("aws_access_key_id = A".to_owned(), 1, Mistake::NoProfile),
            ("[p]\nhush\n".to_owned(), 2, Mistake::Syntax),
            ("[p\n".to_owned(), 1, Mistake::NoProfile),
            (format!("{profile}role_arn = hush\n"), 4, Mistake::Key("role_arn".to_owned())),
            (format!("{profile}Hush+/==\n"), 4, Mistake::Syntax),
            (format!("{profile}aws_access_key_id = B\n"), 4, Mistake::Twice(ID)),
            (format!("{profile}account = 1\n"), 1, account_of("A")),
            (format!("\n\n{profile}account = hush\n"), 3, account_of("A")),
            ("[p]\naws_access_key_id = A\n".to_owned(), 1, Mistake::Lacks(SECRET)),
            ("[p]\n".to_owned(), 1, Mistake::Lacks(ID)),
            (format!("{profile}aws_session_expiration = soon\n"), 1, Mistake::Expiration),
            (
                format!("{profile}aws_session_expiration = 2030-01-31T12:00:00Z\n"),
                1,
                Mistake::Sessionless,
            ),
        ] {
            let (at, found) = mistake(&text);
            assert_eq!((at, &found), (line, &expected), "{text}");
            assert!(!found.to_string().contains("hush"), "{found}");
        }
    }

    fn account_of(id: &str) -> Mistake {
        Mistake::Credential(InvalidCredential::Account { id: id.to_owned() })
    }

    fn file_with_mode(mode: u32) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(TWO_PROFILES.as_bytes()).unwrap();
        fs::set_permissions(file.path(), Permissions::from_mode(mode)).unwrap();
        file
    }

    #[test]
    fn a_file_of_its_owner_is_read() {
        for mode in [0o600, 0o400] {
            assert_eq!(Credential::read_file(file_with_mode(mode).path()).unwrap().len(), 2);
        }
    }

    #[test]
    fn a_file_that_others_may_open_is_refused_with_the_remedy() {
        for mode in [0o640, 0o604, 0o620, 0o644] {
            let file = file_with_mode(mode);
            let error = Credential::read_file(file.path()).unwrap_err().to_string();
            let remedy = format!("chmod 600 {}", file.path().display());
            assert!(error.contains(&remedy), "{error}");
            assert!(error.contains(&format!("{mode:o}")), "{error}");
        }
    }

    #[test]
    fn a_missing_or_huge_file_is_an_error() {
        let missing = Credential::read_file(Path::new("/nowhere/credentials")).unwrap_err();
        assert!(matches!(missing, InvalidFile::Unreadable { .. }));

        let huge = file_with_mode(0o600);
        huge.as_file().set_len(FILE_BYTES_MAX + 1).unwrap();
        let error = Credential::read_file(huge.path()).unwrap_err();
        assert!(matches!(error, InvalidFile::TooLarge { .. }));
    }
}
