//! What GitHub tells by itself: a button that was pressed, a run that went on. Off unless it is configured; polling
//! finds everything but the buttons.
//!
//! `signature` proves that GitHub sent a delivery, `delivery` reads what it is about, `receive` saves it before GitHub
//! is answered. Nothing that a delivery says of a run is believed: the run is only looked at sooner.

mod delivery;
mod receive;
mod signature;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::bridge::ledger::Ledger;
use crate::clock::Clock;

/// Where GitHub's deliveries come in.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where is listened. GitHub has to reach it over https: that is for a proxy in front of it.
    pub listen: SocketAddr,
    /// What GitHub signs with.
    pub secret: SecretString,
    /// The number of the App whose check runs are obeyed; any App's where it is not known.
    pub app: Option<u64>,
}

/// Nothing can come in.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The address is taken, or is not this machine's.
    #[error("cannot listen at {listen} ([webhook] listen)")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It stopped taking connections.
    #[error("the webhook stopped")]
    Stopped(#[source] std::io::Error),
}

/// Deliveries that are read at the same time: each may take 25 MB of memory before anything is known of its sender.
const AT_ONCE: usize = 8;

/// What all requests share.
struct Shared {
    settings: Settings,
    ledger: Ledger,
    clock: Clock,
    free: Semaphore,
}

/// Takes the address, before anything else is begun.
///
/// # Errors
/// [`WebhookError::Listen`].
pub async fn bind(settings: &Settings) -> Result<TcpListener, WebhookError> {
    let failed = |source| WebhookError::Listen { listen: settings.listen, source };
    let listener = TcpListener::bind(settings.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tracing::info!("deliveries come in at http://{address}/github");
    Ok(listener)
}

/// Takes deliveries until the future is dropped.
///
/// # Errors
/// [`WebhookError::Stopped`].
pub async fn serve(
    listener: TcpListener,
    settings: Settings,
    ledger: Ledger,
    clock: Clock,
) -> Result<(), WebhookError> {
    let shared = Arc::new(Shared { settings, ledger, clock, free: Semaphore::new(AT_ONCE) });
    let app = Router::new()
        .route("/github", post(receive::receive))
        .route("/healthz", get(receive::health))
        .with_state(shared);
    axum::serve(listener, app).await.map_err(WebhookError::Stopped)
}
