//! The credentials file: the INI format that AWS' SDKs and CLI share, readable by its owner only,
//! with policies beside it.

use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use millpond_api::types::{AccountId, Timestamp};
use thiserror::Error;

use super::{Credential, Identity, InvalidCredential, Name, parse_account};
use crate::{
    auth::{date::AmzDate, source::Files},
    policy::{InvalidPolicy, Kind, Policy, account_of_arn},
    secret_file::{self, NotRead},
};

/// Bytes that a credentials file may have; room for some thousand profiles.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The permission bits by which others than its owner may change a file.
const MODE_OTHERS_WRITE: u32 = 0o022;

/// Why a credentials file cannot be used. Quotes no secret.
#[derive(Debug, Error)]
pub enum InvalidFile {
    /// The file cannot be read, or should not be.
    #[error("credentials file {path}: {fault}")]
    NotRead {
        /// The file.
        path: PathBuf,
        /// What is wrong with it as a file.
        fault: NotRead,
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

impl InvalidFile {
    /// Whether the system didn't give the file, or one that it names, which may pass.
    pub(in crate::auth) fn is_unreadable(&self) -> bool {
        match self {
            Self::NotRead { fault, .. } => matches!(fault, NotRead::Unreadable(_)),
            Self::Line { mistake, .. } => matches!(mistake, Mistake::PolicyFile { .. }),
            Self::Empty { .. } => false,
        }
    }
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
         aws_session_token, aws_session_expiration, account or aws_account_id, user_name, arn, \
         policy and policies"
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
    /// Two keys that say the same thing.
    #[error("the profile has both user_name and arn")]
    TwoNames,
    /// A name that no user has.
    #[error("user_name is a name, or a path and a name, of letters, digits and any of +=,.@_-/")]
    UserName,
    /// An ARN of nobody, or of another account than the profile's.
    #[error("arn is that of a user or a role of the account, such as arn:aws:iam::{0}:role/reader")]
    Arn(String),
    /// A file of a policy that can't be read.
    #[error("policy file {path} cannot be read: {reason}")]
    PolicyFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A file of a policy that others may change.
    #[error("policy file {path} can be changed by others than its owner; run: chmod go-w {path}")]
    PolicyOpenToOthers {
        /// The file.
        path: PathBuf,
    },
    /// A policy that isn't one.
    #[error("{origin}: {invalid}")]
    Policy {
        /// Where it stands: the key, or the file.
        origin: String,
        /// What is wrong with it.
        invalid: InvalidPolicy,
    },
    /// A value that no credential can have.
    #[error(transparent)]
    Credential(#[from] InvalidCredential),
}

const ID: &str = "aws_access_key_id";
const SECRET: &str = "aws_secret_access_key";
const TOKEN: &str = "aws_session_token";
const EXPIRATION: &str = "aws_session_expiration";
const ACCOUNT: &str = "account";
const USER_NAME: &str = "user_name";
const ARN: &str = "arn";
const POLICY: &str = "policy";
const POLICIES: &str = "policies";

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
    user_name: Option<&'a str>,
    arn: Option<&'a str>,
    policy: Option<&'a str>,
    policies: Option<&'a str>,
}

impl Credential {
    /// Reads all profiles of a file like `~/.aws/credentials`, in which each may also have an
    /// `account` (or `aws_account_id`) and an `aws_session_expiration`, be called by a `user_name`
    /// or an `arn`, and have a `policy` on its line or `policies` in files beside this one, parted
    /// by commas. `files` learns which were looked at.
    ///
    /// # Errors
    /// When the file cannot be read, when others than its owner may, when any part of it is not
    /// understood, or when it holds no credential.
    pub fn read_file(path: &Path, files: &mut Files) -> Result<Vec<Self>, InvalidFile> {
        files.note(path);
        let (text, _) = secret_file::read(path, FILE_BYTES_MAX)
            .map_err(|fault| InvalidFile::NotRead { path: path.to_owned(), fault })?;
        let mut read_policy = |name: &str| {
            let path = path.parent().unwrap_or(Path::new("")).join(name);
            files.note(&path);
            read_policy(&path)
        };
        let credentials = parse(&text, &mut read_policy).map_err(|(line, mistake)| {
            InvalidFile::Line { path: path.to_owned(), line, mistake }
        })?;
        if credentials.is_empty() {
            return Err(InvalidFile::Empty { path: path.to_owned() });
        }
        Ok(credentials)
    }
}

/// Reads the policy in a file, which others may read but not change.
fn read_policy(path: &Path) -> Result<Policy, Mistake> {
    let unreadable = |error: io::Error| {
        let reason = error.to_string();
        Mistake::PolicyFile { path: path.to_owned(), reason }
    };
    let file = File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.permissions().mode() & MODE_OTHERS_WRITE != 0 {
        return Err(Mistake::PolicyOpenToOthers { path: path.to_owned() });
    }
    let mut text = String::new();
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
    parse_policy(&format!("policy file {}", path.display()), &text)
}

fn parse_policy(origin: &str, text: &str) -> Result<Policy, Mistake> {
    let policy = Policy::parse(text, Kind::Identity);
    policy.map_err(|invalid| Mistake::Policy { origin: origin.to_owned(), invalid })
}

type ReadPolicy<'a> = dyn FnMut(&str) -> Result<Policy, Mistake> + 'a;

fn parse(
    text: &str,
    read_policy: &mut ReadPolicy<'_>,
) -> Result<Vec<Credential>, (usize, Mistake)> {
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
    let credential = |profile: &Profile<'_>| {
        profile.credential(read_policy).map_err(|mistake| (profile.line, mistake))
    };
    profiles.iter().map(credential).collect()
}

impl<'a> Profile<'a> {
    fn set(&mut self, key: &str, value: &'a str) -> Result<(), Mistake> {
        let (name, field) = match key {
            ID => (ID, &mut self.id),
            SECRET => (SECRET, &mut self.secret),
            TOKEN => (TOKEN, &mut self.token),
            EXPIRATION => (EXPIRATION, &mut self.expiration),
            ACCOUNT | "aws_account_id" => (ACCOUNT, &mut self.account),
            USER_NAME => (USER_NAME, &mut self.user_name),
            ARN => (ARN, &mut self.arn),
            POLICY => (POLICY, &mut self.policy),
            POLICIES => (POLICIES, &mut self.policies),
            _ if PASSED_OVER.contains(&key) => return Ok(()),
            _ if is_key(key) => return Err(Mistake::Key(key.to_owned())),
            _ => return Err(Mistake::Syntax),
        };
        match field.replace(value) {
            None => Ok(()),
            Some(_) => Err(Mistake::Twice(name)),
        }
    }

    fn credential(&self, read_policy: &mut ReadPolicy<'_>) -> Result<Credential, Mistake> {
        let id = self.id.ok_or(Mistake::Lacks(ID))?;
        let secret = self.secret.ok_or(Mistake::Lacks(SECRET))?;
        let account = self.account.map(|text| parse_account(id, text)).transpose()?;
        let account = self.arn.map(|arn| holders_account(arn, account)).transpose()?.or(account);
        let credential = Credential::new(id, secret, account)?;
        let identity = Identity { name: self.name()?, policies: self.policies(read_policy)? };
        let credential = match identity {
            Identity { name: None, policies: None } => credential,
            identity => credential.with_identity(identity),
        };
        let expires_at = self.expiration.map(parse_expiration).transpose()?;
        match self.token.filter(|token| !token.is_empty()) {
            Some(token) => Ok(credential.with_session(token, expires_at)),
            None if expires_at.is_some() => Err(Mistake::Sessionless),
            None => Ok(credential),
        }
    }

    fn name(&self) -> Result<Option<Name>, Mistake> {
        let legal = |c: u8| c.is_ascii_alphanumeric() || b"+=,.@_-/".contains(&c);
        match (self.user_name, self.arn) {
            (Some(_), Some(_)) => Err(Mistake::TwoNames),
            (Some(name), None) => {
                let is_name = name.bytes().all(legal) && name.split('/').all(|p| !p.is_empty());
                is_name.then(|| Some(Name::User(name.into()))).ok_or(Mistake::UserName)
            }
            (None, arn) => Ok(arn.map(|arn| Name::Arn(arn.into()))),
        }
    }

    /// The policies, if the profile says anything of them.
    fn policies(&self, read: &mut ReadPolicy<'_>) -> Result<Option<Vec<Policy>>, Mistake> {
        let mut policies = Vec::new();
        if let Some(text) = self.policy {
            policies.push(parse_policy(POLICY, text)?);
        }
        for name in self.policies.into_iter().flat_map(|names| names.split(',')) {
            policies.push(read(name.trim())?);
        }
        let is_said = self.policy.is_some() || self.policies.is_some();
        Ok(is_said.then_some(policies))
    }
}

/// The account of an ARN, which is the account of the profile if that says one.
fn holders_account(arn: &str, account: Option<AccountId>) -> Result<AccountId, Mistake> {
    let named = account_of_arn(arn).filter(|named| account.is_none_or(|own| own == *named));
    let own = || account.map_or("123456789012".to_owned(), |own| own.to_string());
    named.ok_or_else(|| Mistake::Arn(own()))
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

    /// Reads a file that names no other.
    fn parse_alone(text: &str) -> Result<Vec<Credential>, (usize, Mistake)> {
        parse(text, &mut |name| panic!("{name} is read"))
    }

    fn read(path: &Path) -> Result<Vec<Credential>, InvalidFile> {
        Credential::read_file(path, &mut Files::default())
    }

    fn mistake(text: &str) -> (usize, Mistake) {
        parse_alone(text).unwrap_err()
    }

    #[test]
    fn profiles_become_credentials() {
        let read = parse_alone(TWO_PROFILES).unwrap();
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
        assert_eq!(parse_alone(&beside).unwrap().len(), 2);
    }

    #[test]
    fn a_file_without_credentials_is_an_error() {
        let file = file_with_mode(0o600);
        for text in ["", "# nothing yet\n"] {
            fs::write(file.path(), text).unwrap();
            let error = read(file.path()).unwrap_err().to_string();
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
            (format!("{profile}account = 1\n"), 1, invalid_account("A")),
            (format!("\n\n{profile}account = hush\n"), 3, invalid_account("A")),
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

    fn invalid_account(id: &str) -> Mistake {
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
            assert_eq!(read(file_with_mode(mode).path()).unwrap().len(), 2);
        }
    }

    #[test]
    fn a_file_that_others_may_open_is_refused_with_the_remedy() {
        for mode in [0o640, 0o604, 0o620, 0o644] {
            let file = file_with_mode(mode);
            let error = read(file.path()).unwrap_err().to_string();
            let remedy = format!("chmod 600 {}", file.path().display());
            assert!(error.contains(&remedy), "{error}");
            assert!(error.contains(&format!("{mode:o}")), "{error}");
        }
    }

    #[test]
    fn a_missing_or_huge_file_is_an_error() {
        let missing = read(Path::new("/nowhere/credentials")).unwrap_err();
        assert!(matches!(missing, InvalidFile::NotRead { fault: NotRead::Unreadable(_), .. }));

        let huge = file_with_mode(0o600);
        huge.as_file().set_len(FILE_BYTES_MAX + 1).unwrap();
        let error = read(huge.path()).unwrap_err();
        assert!(matches!(error, InvalidFile::NotRead { fault: NotRead::TooLarge(_), .. }));
    }

    const PROFILE: &str = "[p]\naws_access_key_id = A\naws_secret_access_key = hush\n";

    fn one(lines: &str) -> Credential {
        let mut read = parse_alone(&format!("{PROFILE}{lines}")).unwrap();
        assert_eq!(read.len(), 1);
        read.remove(0)
    }

    #[test]
    fn a_holder_has_a_name_and_an_account() {
        assert!(one("").identity().is_none());
        let named = |lines| one(lines).identity().unwrap().name.clone();
        let user = named("user_name = web/alice");
        assert_eq!(user, Some(Name::User("web/alice".into())));
        let arn = "arn:aws:iam::123456789012:role/reader";
        let role = one(&format!("arn = {arn}"));
        assert_eq!(role.identity().unwrap().name, Some(Name::Arn(arn.into())));
        assert_eq!(role.account(), Some("123456789012".parse().unwrap()), "the ARN says it");
        assert!(role.identity().unwrap().policies.is_none());
        one(&format!("account = 123456789012\narn = {arn}"));
        for (lines, expected) in [
            (format!("account = 111111111111\narn = {arn}"), Mistake::Arn("111111111111".into())),
            ("arn = alice".to_owned(), Mistake::Arn("123456789012".into())),
            (format!("user_name = a\narn = {arn}"), Mistake::TwoNames),
            ("user_name = a b".to_owned(), Mistake::UserName),
            ("user_name = a//b".to_owned(), Mistake::UserName),
            ("user_name =".to_owned(), Mistake::UserName),
        ] {
            assert_eq!(mistake(&format!("{PROFILE}{lines}")), (1, expected), "{lines}");
        }
    }

    const POLICY_TEXT: &str =
        r#"{"Statement": {"Effect": "Allow", "Action": "kinesis:*", "Resource": "*"}}"#;

    fn write(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn policies_stand_on_a_line_or_beside_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let elsewhere = tempfile::NamedTempFile::new().unwrap();
        write(elsewhere.path(), POLICY_TEXT, 0o644);
        write(&path("a.json"), POLICY_TEXT, 0o644);
        let lines = format!(
            "{PROFILE}policy = {POLICY_TEXT}\npolicies = a.json , {}\n",
            elsewhere.path().display()
        );
        write(&path("credentials"), &lines, 0o600);
        let mut files = Files::default();
        let found = Credential::read_file(&path("credentials"), &mut files).unwrap();
        let policy = Policy::parse(POLICY_TEXT, Kind::Identity).unwrap();
        let expected = [policy.clone(), policy.clone(), policy];
        assert_eq!(found[0].identity().unwrap().policies.as_deref(), Some(&expected[..]));
        assert!(!files.have_changed());
        write(elsewhere.path(), &format!("{POLICY_TEXT} "), 0o644);
        assert!(files.have_changed(), "policy files are looked at, too");
    }

    #[test]
    fn a_policy_that_is_none_is_told_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        write(&path("credentials"), &format!("{PROFILE}policies = a.json\n"), 0o600);
        let told = |files: &mut Files| {
            Credential::read_file(&path("credentials"), files).unwrap_err().to_string()
        };
        let mut files = Files::default();
        let (a, start) = (path("a.json").display().to_string(), "credentials, line 1: policy file");
        assert!(told(&mut files).contains(&format!("{start} {a} cannot be read: No such file")));
        for mode in [0o622, 0o664] {
            write(&path("a.json"), POLICY_TEXT, mode);
            assert!(told(&mut Files::default()).contains("run: chmod go-w"));
        }
        assert!(files.have_changed(), "a file that has come is noticed");
        write(&path("a.json"), &POLICY_TEXT.replace("Allow", "Grant"), 0o600);
        let fault = format!("{start} {a}: Statement.Effect: expected Allow or Deny");
        assert!(told(&mut files).contains(&fault), "{}", told(&mut files));
        let inline = mistake(&format!("{PROFILE}policy = {{}}\n"));
        assert_eq!((inline.0, inline.1.to_string().as_str()), (1, "policy: it has no Statement"));
    }
}
