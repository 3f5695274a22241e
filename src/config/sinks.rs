//! Where people are told of series: `[slack]` and `[mail]`.

use patchlift_publish::{mail, slack};
use patchlift_report::clean;
use secrecy::SecretString;

use super::reader::Table;
use super::sections::values;
use super::{address, secret};

/// `[slack]`: a bot's token and a channel, or an incoming webhook.
pub(super) fn slack(table: &Table<'_, '_>) -> Option<slack::Settings> {
    let api = table.read("api", address::service);
    let api = api.map_or_else(|| slack::PUBLIC_API.to_owned(), |api| api.value.to_string());
    let channel = table.read("channel", |text| {
        let good = (9..=80).contains(&text.len())
            && text.starts_with(['C', 'D', 'G'])
            && text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
        good.then(|| text.to_owned()).ok_or_else(|| {
            "expected the channel's id, like \"C0123456789\"; its page in Slack shows it under About"
                .to_owned()
        })
    });
    match (table.any("token").is_some(), table.any("webhook").is_some()) {
        (true, false) => {
            let token = secret::read(table, "token");
            if channel.is_none() && table.any("channel").is_none() {
                table.problem_here("channel", "missing; a bot has to be told where to write");
            }
            Some(slack::Settings::Bot { api, token: token?, channel: channel?.value })
        }
        (false, true) => {
            if let Some(channel) = &channel {
                table.problem(&channel.span, "channel", "a webhook has its own channel; leave this out");
            }
            Some(slack::Settings::Webhook { url: secret::read(table, "webhook")? })
        }
        _ => {
            table.problem_here("token", "give either token and channel of a bot, or a webhook");
            None
        }
    }
}

/// `[mail]`: the server that takes mails, and who may be written to.
pub(super) fn mail(table: &Table<'_, '_>) -> Option<(mail::Settings, mail::ReplySettings)> {
    let host = table.required("server", |text| {
        let good = !text.is_empty()
            && text.len() <= 253
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.:".contains(&byte));
        good.then(|| text.to_owned()).ok_or_else(|| "expected a host's name".to_owned())
    });
    let tls = table.read("tls", |text| match text {
        "starttls" => Ok(mail::Tls::StartTls),
        "tls" => Ok(mail::Tls::Tls),
        "none" => Ok(mail::Tls::None),
        _ => Err("expected \"starttls\", \"tls\", or \"none\" for a server on this machine".to_owned()),
    });
    let tls = tls.map_or(mail::Tls::StartTls, |tls| tls.value);
    let usual = match tls {
        mail::Tls::StartTls => 587,
        mail::Tls::Tls => 465,
        mail::Tls::None => 25,
    };
    let port = u16::try_from(table.count("port", 1..=65_535, usual)).ok();
    let trusted = table.read("trusted", |text| {
        let path = table.file.relative(text);
        std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
    });
    let reply = reply(table);
    let login = login(table)?;
    let trusted = trusted.map(|trusted| trusted.value);
    Some((mail::Settings { host: host?.value, port: port?, tls, trusted, login }, reply?))
}

/// User and password; `None` where one of them is wrong.
fn login(table: &Table<'_, '_>) -> Option<Option<(String, SecretString)>> {
    let user = table.read("user", |text| Ok(text.to_owned())).map(|user| user.value);
    if user.is_some() != table.any("password").is_some() {
        table.problem_here("password", "user and password belong together");
        return None;
    }
    match user {
        Some(user) => Some(Some((user, secret::read(table, "password")?))),
        None => Some(None),
    }
}

fn reply(table: &Table<'_, '_>) -> Option<mail::ReplySettings> {
    let from = table.required("from", person);
    let allow = values(table.list("allow", address::mail).unwrap_or_default());
    let always_to = values(table.list("always_to", person).unwrap_or_default());
    if allow.is_empty() && always_to.is_empty() {
        table.problem_here("allow", "nobody may be written to; say who, or leave [mail] out");
    }
    Some(mail::ReplySettings {
        from: from?.value,
        list: table.read("list", person).map(|list| list.value),
        allow,
        always_to,
        say_success: table.flag("say_success", false),
        say_all: table.flag("say_all", false),
        contact: table.read("contact", |text| Ok(clean::line(text, 200))).map(|contact| contact.value),
    })
}

/// `Name <address>`, or an address alone.
fn person(text: &str) -> Result<mail::Person, String> {
    mail::Person::parse(text).ok_or_else(|| "expected \"Name <address>\", or an address".to_owned())
}
