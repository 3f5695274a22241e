//! The mirror's password: one that is configured, or an App's token, which lives for an hour.

use std::sync::{Mutex, PoisonError};

use patchlift_publish::{Api, ApiError};
use secrecy::{ExposeSecret as _, SecretString};

use super::askpass;

/// Where the password comes from, and the one that was used last.
#[derive(Debug)]
pub(super) struct Password {
    app: Option<Api>,
    used: Mutex<Option<SecretString>>,
}

impl Password {
    /// This one, if any.
    pub(super) fn fixed(token: Option<SecretString>) -> Self {
        Self { app: None, used: Mutex::new(token) }
    }

    /// The tokens of an App.
    pub(super) fn of_app(app: Api) -> Self {
        Self { app: Some(app), used: Mutex::default() }
    }

    /// The password for what is done now.
    pub(super) async fn current(&self) -> Result<Option<SecretString>, ApiError> {
        if let Some(app) = &self.app {
            let token = app.secret().await?;
            *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
        }
        Ok(self.used.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// What a server said, without the password: it may repeat what it was sent.
    pub(super) fn hidden_in(&self, said: String) -> String {
        use base64::Engine as _;
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(token) = &*used else { return said };
        let token = token.expose_secret();
        let header = base64::engine::general_purpose::STANDARD.encode(format!("{}:{token}", askpass::USER));
        said.replace(token, "…").replace(&header, "…")
    }
}
