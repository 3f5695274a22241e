//! An App gets itself tokens, each for one repository and one purpose.

use std::collections::BTreeMap;
use std::time::Duration;

use patchlift_publish::api::Doing;
use patchlift_publish::{Api, ApiError, App, Change, GitHub, GitHubError, Permissions, checks};
use patchlift_report::{Ending, sample};
use secrecy::{ExposeSecret as _, SecretString};

use crate::fake_github::{APP, FakeGitHub, Fault, INSTALLATION, TOKEN, app, app_with_key, repository};

const CHECKS: Permissions = Permissions(&[("checks", "write"), ("metadata", "read")]);
const ASK: Doing = Doing("a list");

/// Something that takes a token.
async fn ask(api: &Api) -> Result<(), ApiError> {
    let route = repository().route("commits/abc/check-runs?check_name=x&filter=all&per_page=100&page=1");
    api.get(ASK, route).await.map(|_| ())
}

fn given(github: &FakeGitHub) -> usize {
    github.memory(|memory| memory.app.given.len())
}

#[tokio::test]
async fn contract_an_app_publishes_with_a_token_for_one_repository_and_purpose() {
    for key in [include_str!("../data/app-key-pkcs1.pem"), include_str!("../data/app-key-pkcs8.pem")] {
        let github = FakeGitHub::start("").await;
        let client = GitHub::new(github.api(app_with_key(key)));
        for run in checks::of_report(&sample::report(Ending::DoesNotBuild), None) {
            let published = client.publish(&repository(), &run).await.unwrap();
            assert_eq!(published.change, Change::Created);
        }
        github.memory(|memory| {
            let [given] = &memory.app.given[..] else { panic!("{:?}", memory.app.given) };
            let wanted = [("checks", "write"), ("metadata", "read")];
            let wanted: BTreeMap<_, _> =
                wanted.into_iter().map(|(name, level)| (name.to_owned(), level.to_owned())).collect();
            assert_eq!(given.permissions, wanted, "no more than it takes");
            let asked: Vec<_> = memory.requests.iter().take(2).map(String::as_str).collect();
            let token = format!("POST /app/installations/{INSTALLATION}/access_tokens");
            assert_eq!(asked, ["GET /repos/octo/mirror/installation", token.as_str()]);
        });
    }
}

#[tokio::test]
async fn contract_an_app_leaves_check_runs_of_others_alone() {
    let github = FakeGitHub::start("").await;
    let run = checks::of_report(&sample::report(Ending::Passed), None).remove(0);
    let workflow = GitHub::new(github.api(SecretString::from(TOKEN)));
    let app = GitHub::new(github.api(app()));
    let theirs = workflow.publish(&repository(), &run).await.unwrap();
    let ours = app.publish(&repository(), &run).await.unwrap();
    assert_eq!(ours.change, Change::Created, "GitHub lets no App change what another one made");
    assert_ne!(ours.id, theirs.id);
    let again = app.publish(&repository(), &run).await.unwrap();
    assert_eq!((again.id, again.change), (ours.id, Change::None));
}

#[tokio::test]
async fn contract_the_authorization_is_on_every_page_wherever_the_server_is() {
    let github = FakeGitHub::start("/api/v3").await;
    let run = checks::of_report(&sample::report(Ending::Passed), None).remove(0);
    github.memory(|memory| {
        memory.check_runs = (1..=150)
            .map(|id| {
                serde_json::json!({
                    "id": id, "head_sha": run.head_sha, "name": run.name, "status": "completed",
                    "external_id": format!("other {id}"), "conclusion": "success", "annotations": [],
                })
            })
            .collect();
    });
    let client = GitHub::new(github.api(app()));
    assert_eq!(client.publish(&repository(), &run).await.unwrap().change, Change::Created);
    github.memory(|memory| {
        let pages = memory.requests.iter().filter(|line| line.contains("/commits/")).count();
        assert_eq!((pages, memory.app.given.len()), (2, 1));
    });
}

#[tokio::test]
async fn contract_a_token_is_renewed_before_it_ends() {
    for (lifetime, used_again, good_for_git) in [
        (Duration::from_secs(3600), true, true),
        // Not five, and not ten minutes are left.
        (Duration::from_secs(299), false, false),
        (Duration::from_secs(599), true, false),
        (Duration::from_secs(605), true, true),
    ] {
        let github = FakeGitHub::start("").await;
        github.memory(|memory| memory.app.lifetime = lifetime);
        let api = github.api(app()).for_repository(&repository(), CHECKS);
        ask(&api).await.unwrap();
        ask(&api).await.unwrap();
        assert_eq!(given(&github) == 1, used_again, "{lifetime:?}");
        let before = given(&github);
        let secret = api.secret().await.unwrap();
        assert_eq!(given(&github) == before, good_for_git, "{lifetime:?}");
        let last = github.memory(|memory| memory.app.given.last().unwrap().token.clone());
        assert_eq!(secret.expose_secret(), last);
    }
}

#[tokio::test]
async fn contract_a_token_that_is_not_taken_is_renewed_once() {
    let github = FakeGitHub::start("").await;
    let client = GitHub::new(github.api(app()));
    let run = checks::of_report(&sample::report(Ending::Passed), None).remove(0);
    let bad = || Fault::Before(401, vec![], r#"{"message": "Bad credentials"}"#);
    github.memory(|memory| memory.goes_wrong("POST /repos/", bad()));
    // A POST, too: who refuses the token has done nothing.
    assert_eq!(client.publish(&repository(), &run).await.unwrap().change, Change::Created);
    assert_eq!(given(&github), 2);
    assert_eq!(github.memory(|memory| memory.check_runs.len()), 1);

    github.memory(|memory| memory.app.takes_none = true);
    let before = github.methods().len();
    let error = client.publish(&repository(), &run).await.unwrap_err();
    assert!(matches!(error, GitHubError::Api(ApiError::NotTaken { .. })), "{error:?}");
    assert_eq!(
        error.to_string(),
        "GitHub takes no token for the look-up of check runs, not even one that it gave just now: Bad credentials"
    );
    assert_eq!(github.methods()[before..], ["GET", "POST", "GET"], "one new token, one repetition");
    github.memory(|memory| memory.app.takes_none = false);
    client.publish(&repository(), &run).await.unwrap();
}

#[tokio::test]
async fn contract_nothing_is_expected_of_a_tokens_length() {
    for length in [1, 39, 300] {
        let github = FakeGitHub::start("").await;
        github.memory(|memory| memory.app.length = length);
        let api = github.api(app()).for_repository(&repository(), CHECKS);
        ask(&api).await.unwrap();
        assert_eq!(api.secret().await.unwrap().expose_secret().len(), length);
    }
}

#[tokio::test]
async fn a_token_lives_by_the_servers_clock() {
    for ahead in [-7200, 7200] {
        let github = FakeGitHub::start("").await;
        github.memory(|memory| memory.app.ahead = ahead);
        let api = github.api(app()).for_repository(&repository(), CHECKS);
        for _ in 0..3 {
            ask(&api).await.unwrap();
        }
        assert_eq!(given(&github), 1, "{ahead}");
    }
}

#[tokio::test]
async fn all_who_ask_at_once_share_one_token() {
    let github = FakeGitHub::start("").await;
    let api = github.api(app());
    let asking = (0..8).map(|_| {
        let api = api.for_repository(&repository(), CHECKS);
        tokio::spawn(async move { ask(&api).await })
    });
    for asked in asking.collect::<Vec<_>>() {
        asked.await.unwrap().unwrap();
    }
    assert_eq!(given(&github), 1);
    let statuses = Permissions(&[("metadata", "read"), ("statuses", "write")]);
    let error = ask(&api.for_repository(&repository(), statuses)).await.unwrap_err();
    assert!(error.to_string().contains("not accessible by integration"), "{error}");
    assert_eq!(given(&github), 2, "another purpose, another token");
}

#[tokio::test]
async fn who_gets_no_token_is_told_what_to_do() {
    let github = FakeGitHub::start("").await;
    let stranger = App { id: 1, ..app() };
    let error = ask(&github.api(stranger).for_repository(&repository(), CHECKS)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "GitHub gives App 1 no token for octo/mirror; check the App's number, its key and this machine's clock"
    );
    let secrets = Permissions(&[("secrets", "write")]);
    let error = ask(&github.api(app()).for_repository(&repository(), secrets)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "GitHub gives App {APP} no token for octo/mirror; it needs the permissions secrets: write there"
        )
    );
    github.memory(|memory| memory.app.installed = false);
    let api = github.api(app()).for_repository(&repository(), CHECKS);
    let error = ask(&api).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("GitHub gives App {APP} no token for octo/mirror; install the App on the repository")
    );
    assert!(error.is_final() && !error.may_have_happened());
    github.memory(|memory| memory.app.installed = true);
    ask(&api).await.unwrap();
    let error = github.api(app()).secret().await.unwrap_err();
    assert!(matches!(error, ApiError::NotNarrowed), "{error:?}");
    let personal = github.api(SecretString::from(TOKEN)).for_repository(&repository(), CHECKS);
    assert_eq!(personal.secret().await.unwrap().expose_secret(), TOKEN);
}

#[tokio::test]
async fn a_given_installation_is_not_looked_up_and_trouble_with_tokens_keeps_its_name() {
    let github = FakeGitHub::start("").await;
    let known = App { installation: Some(INSTALLATION), ..app() };
    let api = github.api(known).for_repository(&repository(), CHECKS);
    github.memory(|memory| memory.goes_wrong("/access_tokens", Fault::Before(502, vec![], "")));
    let error = ask(&api).await.unwrap_err();
    assert_eq!(error.to_string(), "GitHub answers a token of the App with status 502");
    ask(&api).await.unwrap();
    assert_eq!(github.methods(), ["POST", "POST", "GET"]);
}

#[test]
fn a_key_that_cannot_be_read_is_an_error_at_once() {
    let whole = include_str!("../data/app-key-pkcs1.pem");
    let cut = &whole[..whole.len() / 2];
    let public = include_str!("../data/app-key-public.pem");
    let garbled = whole.replacen("MII", "AAA", 1);
    for key in ["", "ghs_token", cut, public, &garbled] {
        let error = Api::new("https://api.github.com", app_with_key(key)).unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(said.contains("the whole .pem file is needed"), "{said}");
        assert!(!said.contains(&whole[60..80]), "{said}");
    }
    let error = Api::new("https://api.github.com", SecretString::from("two\nlines")).unwrap_err();
    assert!(matches!(error, ApiError::BadToken), "{error:?}");
}

#[tokio::test]
async fn no_key_and_no_token_is_in_any_error_or_debug_output() {
    let github = FakeGitHub::start("").await;
    let api = github.api(app());
    let narrowed = api.for_repository(&repository(), CHECKS);
    ask(&narrowed).await.unwrap();
    github.memory(|memory| memory.app.takes_none = true);
    let error = ask(&narrowed).await.unwrap_err();
    let said = format!("{api:?} {narrowed:?} {error} {error:?} {:?}", app());
    let key = include_str!("../data/app-key-pkcs1.pem");
    let lines: Vec<_> = key.lines().filter(|line| !line.starts_with("--")).collect();
    assert!(said.contains("Bad credentials"), "{said}");
    assert!(!said.contains("must-never-be-seen") && lines.iter().all(|line| !said.contains(line)), "{said}");
    github.memory(|memory| assert!(!memory.requests.concat().contains("must-never-be-seen")));
}
