//! Who asks GitHub: a token, or an App that gets itself tokens.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use octocrab::auth::{EncodingKey, create_jwt};
use octocrab::models::AppId;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::api::{Answer, ApiError, Doing, Repository};

pub(crate) const INSTALLATION: Doing = Doing("the App's installation on a repository");
pub(crate) const TOKEN: Doing = Doing("a token of the App");

/// A token that ends sooner than this is not used for a request: the request has to be over by then.
const SPARE: Duration = Duration::from_secs(5 * 60);

/// A token that ends sooner than this is not given to git: a push of a whole tree takes minutes.
const SPARE_FOR_GIT: Duration = Duration::from_secs(10 * 60);

/// GitHub takes a signature for ten minutes at most; octocrab's are good for nine.
const SIGNATURE_AGE_MAX: Duration = Duration::from_secs(5 * 60);

/// A GitHub App.
#[derive(Debug, Clone)]
pub struct App {
    /// Its number.
    pub id: u64,
    /// Its private key, the content of the .pem file: PKCS#1 as GitHub gives it, or PKCS#8.
    pub key: SecretString,
    /// The number of its installation; looked up for each repository where it is not given.
    pub installation: Option<u64>,
}

/// Who asks.
#[derive(Debug, Clone)]
pub enum Credential {
    /// A personal access token, or the `GITHUB_TOKEN` of a workflow.
    Token(SecretString),
    /// An App.
    App(App),
}

impl From<SecretString> for Credential {
    fn from(token: SecretString) -> Self {
        Self::Token(token)
    }
}

impl From<App> for Credential {
    fn from(app: App) -> Self {
        Self::App(app)
    }
}

/// What a token of an App is good for, in GitHub's words: `("checks", "write")`. A personal token is what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permissions(pub &'static [(&'static str, &'static str)]);

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.0.iter().map(|(name, level)| format!("{name}: {level}")).collect();
        f.write_str(&words.join(", "))
    }
}

impl Serialize for Permissions {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().copied())
    }
}

/// An App that can sign for itself.
pub(crate) struct Signer {
    pub(crate) id: u64,
    pub(crate) installation: Option<u64>,
    key: EncodingKey,
    signed: Mutex<Option<(SecretString, Instant)>>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Signer {
    /// Signs once, so that a key that cannot be used is known at once.
    pub(crate) fn new(app: &App) -> Result<Self, ApiError> {
        let bad = |error| ApiError::BadKey { app: app.id, source: Box::new(error) };
        let key = EncodingKey::from_rsa_pem(app.key.expose_secret().as_bytes()).map_err(bad)?;
        let signer = Self { id: app.id, installation: app.installation, key, signed: Mutex::default() };
        signer.signature()?;
        Ok(signer)
    }

    /// What the App itself shows to GitHub.
    pub(crate) fn signature(&self) -> Result<SecretString, ApiError> {
        let mut signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((signature, at)) = &*signed
            && at.elapsed() < SIGNATURE_AGE_MAX
        {
            return Ok(signature.clone());
        }
        let signature = create_jwt(AppId(self.id), &self.key)
            .map_err(|error| ApiError::BadKey { app: self.id, source: Box::new(error) })?;
        let signature = SecretString::from(signature);
        *signed = Some((signature.clone(), Instant::now()));
        Ok(signature)
    }

    /// The next signature is a new one.
    pub(crate) fn forget(&self) {
        self.signed.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// What a token is wanted for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum For {
    Request,
    Git,
}

/// An App on one repository, with the token that it has now.
#[derive(Debug)]
pub(crate) struct Installation {
    pub(crate) repository: Repository,
    pub(crate) permissions: Permissions,
    /// Held while a new token is asked for: the others wait for it and do not ask, too.
    pub(crate) kept: tokio::sync::Mutex<Kept>,
}

/// What is known of an installation.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) number: Option<u64>,
    token: Option<Token>,
}

#[derive(Debug)]
struct Token {
    secret: SecretString,
    ends: Instant,
}

/// The body of a request for a token.
#[derive(Debug, Serialize)]
pub(crate) struct Wanted<'a> {
    pub(crate) repositories: [&'a str; 1],
    pub(crate) permissions: Permissions,
}

/// A token as GitHub gives it. Nothing is expected of its length or form: GitHub has changed both.
#[derive(Deserialize)]
struct Given {
    token: String,
    expires_at: Timestamp,
}

/// An installation as GitHub shows it.
#[derive(Deserialize)]
pub(crate) struct Found {
    pub(crate) id: u64,
}

impl Installation {
    pub(crate) fn new(repository: Repository, permissions: Permissions) -> Self {
        Self { repository, permissions, kept: tokio::sync::Mutex::default() }
    }

    /// Throws away the token that was not taken, unless there is another one by now.
    pub(crate) async fn forget(&self, refused: &SecretString) {
        let mut kept = self.kept.lock().await;
        let same = |token: &mut Token| token.secret.expose_secret() == refused.expose_secret();
        kept.token.take_if(same);
    }
}

impl Kept {
    /// The token, if it is good for long enough.
    pub(crate) fn good(&self, wanted: For) -> Option<SecretString> {
        let spare = match wanted {
            For::Request => SPARE,
            For::Git => SPARE_FOR_GIT,
        };
        let token = self.token.as_ref()?;
        (Instant::now() + spare < token.ends).then(|| token.secret.clone())
    }

    /// Keeps a new token.
    pub(crate) fn keep(&mut self, answer: &Answer) -> Result<SecretString, ApiError> {
        let given: Given = answer.json()?;
        // By the server's clock: this machine's may be wrong by more than a token lives.
        let lives = given.expires_at.duration_since(answer.written());
        let ends = Instant::now() + Duration::try_from(lives).unwrap_or_default();
        let secret = SecretString::from(given.token);
        self.token = Some(Token { secret: secret.clone(), ends });
        Ok(secret)
    }

    /// GitHub gave no token: the installation may be another one by now.
    pub(crate) fn forget_all(&mut self) {
        *self = Self::default();
    }
}
