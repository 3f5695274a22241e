//! Takes up a series that somebody names, also one that no look would find any more.

use super::site::{Site, chain};
use crate::listing::SeriesKey;
use crate::patchwork::PatchworkError;
use crate::record::{Event, Moment, Record};
use crate::store::{Save, StoreError};

/// A series that cannot be taken up.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A server that may have it gave no answer.
    #[error("nobody can say whether there is such a series: {}", said.join("; "))]
    Unreached {
        /// What went wrong.
        said: Vec<String>,
    },
    /// No server has it.
    #[error("no configured server has it{}", after_semicolon(.said))]
    Nowhere {
        /// What the servers said.
        said: Vec<String>,
    },
}

fn after_semicolon(said: &[String]) -> String {
    if said.is_empty() { String::new() } else { format!("; {}", said.join("; ")) }
}

/// Finds the series that is meant by its keys or by Message-IDs, and makes a record of it where there is none.
///
/// # Errors
/// No server has it, or it cannot be saved.
pub async fn take(site: &Site, keys: &[SeriesKey], msgids: &[String]) -> Result<SeriesKey, TakeError> {
    let (mut said, mut failed) = (Vec::new(), Vec::new());
    let mut meant = keys.to_vec();
    for msgid in msgids {
        for (name, outside) in &site.servers {
            match outside.client.find(msgid).await {
                Ok(found) => {
                    let series = found.into_iter().flat_map(|found| found.series);
                    meant.extend(series.map(|id| SeriesKey { server: name.clone(), id }));
                }
                Err(error) => failed.push(chain(&error)),
            }
        }
    }
    for key in meant {
        if site.ledger.get(&key).await?.is_some() {
            return Ok(key);
        }
        let Some(outside) = site.servers.get(&key.server) else { continue };
        match outside.client.series(key.id).await {
            Ok(listing) if watched(site, &key, &listing.project) => {
                let now = site.clock.now();
                let record = Record::new(key.clone(), listing, now);
                let seen = [Moment { at: now, event: Event::Seen }];
                site.ledger.with(move |store| store.create(&Save::new(&record, &seen))).await?;
                return Ok(key);
            }
            Ok(listing) => said.push(format!("project {} is not in the configuration", listing.project)),
            Err(PatchworkError::NotFound { .. }) => {}
            Err(error) => failed.push(chain(&error)),
        }
    }
    if failed.is_empty() {
        Err(TakeError::Nowhere { said })
    } else {
        Err(TakeError::Unreached { said: failed })
    }
}

fn watched(site: &Site, key: &SeriesKey, project: &str) -> bool {
    let mut servers = site.config.servers.iter().filter(|server| server.client.name == key.server);
    servers.any(|server| server.projects.iter().any(|known| known.name == project))
}
