//! The sinks beside Patchwork: what each would say of a series, and how it is said.

use std::collections::BTreeMap;
use std::fmt::Debug;

use jiff::Timestamp;
use patchlift_publish::mail::{Mailer, Reply};
use patchlift_publish::slack::{Place, Slack};
use patchlift_publish::{CheckRun, CommitStatus, Notice, PullRequest};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::gate::Gate;
use super::site::{chain, ours};
use crate::record::decide::Failure;
use crate::record::{Sink, Telling};
