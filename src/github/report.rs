//! A run's report: the newest artifact named `report`, and `report.json` in it.

use std::io::{Cursor, Read as _};
use std::time::Duration;

use patchlift_publish::ApiError;
use patchlift_publish::api::Doing;
use serde::Deserialize;
use serde_json::Value;
use url::{Host, Url};
use zip::ZipArchive;

use super::GitHubError;
use super::client::GitHub;
use super::run::{RunId, page};

const LIST: Doing = Doing("the artifacts of a run");
const ARTIFACT: Doing = Doing("the address of a run's report");
const DOWNLOAD: Doing = Doing("the download of a run's report");

/// The artifact's name in the workflow, and the file in it.
const NAME: &str = "report";
const FILE: &str = "report.json";

/// Longest artifact that is fetched: report.json and report.html together are below 2 MB.
const ARTIFACT_MAX: usize = 32 << 20;

/// Longest report that is unpacked.
const REPORT_MAX: u64 = 16 << 20;

/// Most files of an artifact.
const FILES_MAX: usize = 1000;

/// For a connection, for each piece, and in all.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const PIECE_LIMIT: Duration = Duration::from_secs(30);
const WHOLE_LIMIT: Duration = Duration::from_secs(120);

/// Why a run's report cannot be used. Never the fault of a series.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// GitHub names a place where nothing should be fetched from.
    #[error("GitHub sends to a place that is not used for the run's report")]
    Place,
    /// The place that GitHub names does not give it.
    #[error("the download of the run's report is answered with status {status} and {kind}")]
    Answer {
        /// The HTTP status.
        status: u16,
        /// The content type, one word.
        kind: String,
    },
    /// It is too big.
    #[error("the run's report is longer than {max} bytes")]
    TooBig {
        /// The limit.
        max: u64,
    },
    /// It has too many files.
    #[error("the run's report has more than {FILES_MAX} files")]
    TooManyFiles,
    /// The artifact is no zip file, or a damaged one.
    #[error("the artifact with the run's report is damaged")]
    Zip(#[source] zip::result::ZipError),
    /// Its content is damaged.
    #[error("the run's report is damaged")]
    Damaged(#[source] std::io::Error),
    /// There is no `report.json` in it.
    #[error("the artifact with the run's report has no {FILE}")]
    Missing,
}

impl ReportError {
    /// It will be the same whenever it is fetched.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::TooBig { .. } | Self::TooManyFiles | Self::Missing)
    }
}

#[derive(Deserialize)]
struct Artifacts {
    artifacts: Vec<Value>,
}

#[derive(Deserialize)]
struct Artifact {
    id: u64,
    name: String,
    #[serde(default)]
    size_in_bytes: u64,
    #[serde(default)]
    expired: bool,
}

/// A client that knows no token.
pub(super) fn download_client() -> Result<reqwest::Client, ApiError> {
    reqwest::Client::builder()
        .connect_timeout(CONNECT_LIMIT)
        .read_timeout(PIECE_LIMIT)
        .timeout(WHOLE_LIMIT)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| ApiError::Client(Box::new(error)))
}

impl GitHub {
    /// The run's `report.json`; `None` where the run has none, or none any more.
    ///
    /// # Errors
    /// GitHub did not give it, or what it gave cannot be used.
    pub async fn report(&self, id: RunId) -> Result<Option<Vec<u8>>, GitHubError> {
        let route = format!("actions/runs/{id}/artifacts?name={NAME}&per_page=100");
        let answer = self.api.get(LIST, self.repository.route(&route)).await?;
        let listed = page::<Artifact>(answer.json::<Artifacts>()?.artifacts).entries;
        let newest =
            listed.into_iter().filter(|one| one.name == NAME && !one.expired).max_by_key(|one| one.id);
        let Some(newest) = newest else { return Ok(None) };
        if newest.size_in_bytes > ARTIFACT_MAX as u64 {
            return Err(ReportError::TooBig { max: ARTIFACT_MAX as u64 }.into());
        }
        let route = self.repository.route(&format!("actions/artifacts/{}/zip", newest.id));
        let answer = self.api.get_expecting(ARTIFACT, route, http::HeaderMap::new(), &[302]).await;
        let zip = match answer {
            Err(ApiError::Refused { status: 410, .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
            Ok(answer) if answer.status == 302 => {
                self.download(answer.header("location").unwrap_or_default()).await?
            }
            Ok(answer) => answer.body.to_vec(),
        };
        let report = tokio::task::spawn_blocking(move || unpack(&zip)).await;
        let failed = |panic| ApiError::Unreachable { doing: DOWNLOAD, source: Box::new(panic) };
        Ok(Some(report.map_err(failed)??))
    }

    /// Fetches from the place that GitHub named, without the token: the place is another server's, and its address
    /// is a key of its own, so that it stands in no error either.
    async fn download(&self, place: &str) -> Result<Vec<u8>, GitHubError> {
        let place = Url::parse(place).ok().filter(is_safe).ok_or(ReportError::Place)?;
        let unreachable = |error: reqwest::Error| {
            let source = Box::new(error.without_url());
            ApiError::Unreachable { doing: DOWNLOAD, source }
        };
        let mut answer = self.download.get(place).send().await.map_err(unreachable)?;
        let status = answer.status().as_u16();
        let kind =
            answer.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or("no type");
        let kind = patchlift_report::clean::line(kind.split(';').next().unwrap_or_default(), 60);
        if (500..600).contains(&status) {
            return Err(ApiError::OutOfOrder { doing: DOWNLOAD, status }.into());
        }
        let is_file = kind.ends_with("/octet-stream")
            || kind.ends_with("/zip")
            || kind == "application/x-zip-compressed";
        if status != 200 || !is_file {
            return Err(ReportError::Answer { status, kind }.into());
        }
        let mut bytes = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(unreachable)? {
            bytes.extend_from_slice(&piece);
            if bytes.len() > ARTIFACT_MAX {
                return Err(ReportError::TooBig { max: ARTIFACT_MAX as u64 }.into());
            }
        }
        Ok(bytes)
    }
}

fn is_safe(place: &Url) -> bool {
    let local = match place.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    place.scheme() == "https" || (place.scheme() == "http" && local)
}

/// `report.json` of a zip file.
fn unpack(zip: &[u8]) -> Result<Vec<u8>, ReportError> {
    let mut archive = ZipArchive::new(Cursor::new(zip)).map_err(ReportError::Zip)?;
    if archive.len() > FILES_MAX {
        return Err(ReportError::TooManyFiles);
    }
    let names: Vec<String> = archive.file_names().map(str::to_owned).collect();
    let nested = |name: &&String| name.rsplit('/').next() == Some(FILE);
    let name = names.iter().find(|name| *name == FILE).or_else(|| names.iter().find(nested));
    let file = archive.by_name(name.ok_or(ReportError::Missing)?).map_err(ReportError::Zip)?;
    let mut report = Vec::new();
    // What the file says of its own length may be wrong.
    file.take(REPORT_MAX + 1).read_to_end(&mut report).map_err(ReportError::Damaged)?;
    if report.len() as u64 > REPORT_MAX {
        return Err(ReportError::TooBig { max: REPORT_MAX });
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn zip_of<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in files {
            zip.start_file(name, SimpleFileOptions::default()).unwrap();
            zip.write_all(content).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn a_report_is_found_in_its_artifact() {
        assert_eq!(unpack(&zip_of([("report.html", b"<p>".as_slice()), (FILE, b"{}")])).unwrap(), b"{}");
        assert_eq!(unpack(&zip_of([("x/report.json", b"{1}".as_slice())])).unwrap(), b"{1}");
        let both = zip_of([("x/report.json", b"nested".as_slice()), (FILE, b"{}")]);
        assert_eq!(unpack(&both).unwrap(), b"{}");
    }

    #[test]
    fn what_cannot_be_a_report_is_not_taken() {
        let good = zip_of([(FILE, [b'x'; 5000].as_slice())]);
        let mut damaged = good.clone();
        damaged[45] ^= 0xff;
        let huge = vec![0; REPORT_MAX as usize + 1];
        let names: Vec<String> = (0..=FILES_MAX).map(|n| n.to_string()).collect();
        let many = zip_of(names.iter().map(|name| (name.as_str(), b"".as_slice())));
        assert!(matches!(unpack(b""), Err(ReportError::Zip(_))));
        assert!(matches!(unpack(b"<html>"), Err(ReportError::Zip(_))));
        assert!(matches!(unpack(&good[..good.len() / 2]), Err(ReportError::Zip(_))));
        assert!(matches!(unpack(&damaged), Err(ReportError::Zip(_) | ReportError::Damaged(_))));
        assert!(matches!(unpack(&zip_of([("other", b"".as_slice())])), Err(ReportError::Missing)));
        assert!(matches!(unpack(&zip_of([(FILE, huge.as_slice())])), Err(ReportError::TooBig { .. })));
        assert!(matches!(unpack(&many), Err(ReportError::TooManyFiles)));
    }

    #[test]
    fn places_are_looked_at_before_anything_is_fetched() {
        let safe = |place: &str| Url::parse(place).is_ok_and(|place| is_safe(&place));
        assert!(safe("https://blob.example.net/x?sig=1"));
        assert!(safe("http://127.0.0.1:80/x") && safe("http://localhost/x") && safe("http://[::1]/x"));
        assert!(
            !safe("http://169.254.169.254/x") && !safe("http://example.org/x") && !safe("file:///etc/passwd")
        );
        assert!(!safe(""));
    }
}
