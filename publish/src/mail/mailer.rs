//! Hands a reply to an SMTP server.
//!
//! The talk is held step by step: only so it is known whether a mail may be on its way when the connection breaks.

use std::time::{Duration, SystemTime};

use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder, SinglePart};
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, Message};
use patchlift_report::clean::line;
use secrecy::{ExposeSecret as _, SecretString};

use crate::mail::address::Person;
use crate::mail::error::{MailError, Step};
use crate::mail::reply::Reply;

/// For each step of the talk but the text (RFC 5321, 4.5.3.2 asks for 5 minutes where nobody waits for it).
const STEP_LIMIT: Duration = Duration::from_secs(60);

/// For the text to be taken: the server may look through it first.
const TEXT_LIMIT: Duration = Duration::from_secs(300);

/// For the answer to the last word, which changes nothing.
const GOODBYE_LIMIT: Duration = Duration::from_secs(5);

/// How the talk with the server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// From the second command on; port 587.
    StartTls,
    /// From the first byte on; port 465.
    Tls,
    /// Not at all: only for a server on this machine.
    None,
}

/// The SMTP server.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name, which its certificate has to have.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the talk is encrypted.
    pub tls: Tls,
    /// Certificates in PEM form that are trusted beside the system's: for a server with one of its own.
    pub trusted: Option<Vec<u8>>,
    /// The user, where the server wants one, and the password.
    pub login: Option<(String, SecretString)>,
}

/// What became of a mail that the server took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Recipients that the server refused, with its words; the others get the mail.
    pub refused: Vec<String>,
}

/// An SMTP server, talked to once for each mail.
#[derive(Clone)]
pub struct Mailer {
    settings: Settings,
    tls: Option<TlsParameters>,
    step_limit: Duration,
    text_limit: Duration,
}

impl std::fmt::Debug for Mailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mailer").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Mailer {
    /// Checks the settings. Nothing is sent yet.
    ///
    /// # Errors
    /// Mails and passwords would be readable on their way, or the certificates cannot be read.
    pub fn new(settings: Settings) -> Result<Self, MailError> {
        let local = ["localhost", "127.0.0.1", "::1"].contains(&settings.host.as_str());
        let tls = match settings.tls {
            Tls::None if local => None,
            Tls::None => return Err(MailError::NotEncrypted { host: line(&settings.host, 100) }),
            Tls::StartTls | Tls::Tls => Some(tls(&settings).map_err(MailError::Encryption)?),
        };
        Ok(Self { settings, tls, step_limit: STEP_LIMIT, text_limit: TEXT_LIMIT })
    }

    /// Other limits than a minute for each step, and five for the text.
    pub fn with_limits(mut self, step: Duration, text: Duration) -> Self {
        (self.step_limit, self.text_limit) = (step, text);
        self
    }

    /// Sends a reply. Recipients that the server refuses are left out as long as one is left.
    ///
    /// # Errors
    /// The server did not take it, or did not say so ([`MailError::may_have_happened`]).
    pub async fn send(&self, reply: &Reply) -> Result<Delivery, MailError> {
        let (envelope, mail) = reply.to_mail()?;
        let mut talk = self.connect(reply).await?;
        let sent = self.hand_over(&mut talk, &envelope, &mail).await;
        if !matches!(sent, Err(MailError::TooLong { .. } | MailError::Unreachable { .. })) {
            // Good manners; the mail is taken or refused by now.
            let _ = tokio::time::timeout(GOODBYE_LIMIT, talk.abort()).await;
        }
        sent
    }

    async fn connect(&self, reply: &Reply) -> Result<AsyncSmtpConnection, MailError> {
        let server = (self.settings.host.as_str(), self.settings.port);
        let hello = ClientId::Domain(reply.from.domain().to_owned());
        let wrapped = self.tls.clone().filter(|_| self.settings.tls == Tls::Tls);
        let connect =
            AsyncSmtpConnection::connect_tokio1(server, Some(self.step_limit), &hello, wrapped, None);
        let mut talk = self.step(Step::Connect, connect).await?;
        if let (Tls::StartTls, Some(tls)) = (self.settings.tls, &self.tls) {
            // Without this a third party could take the offer away and read along.
            if !talk.can_starttls() {
                return Err(MailError::NoStartTls);
            }
            self.step(Step::Connect, talk.starttls(tls.clone(), &hello)).await?;
        }
        if let Some((user, password)) = &self.settings.login {
            let login = Credentials::new(user.clone(), password.expose_secret().to_owned());
            self.step(Step::LogIn, talk.auth(DEFAULT_MECHANISMS, &login)).await?;
        }
        Ok(talk)
    }

    async fn hand_over(
        &self,
        talk: &mut AsyncSmtpConnection,
        envelope: &Envelope,
        mail: &[u8],
    ) -> Result<Delivery, MailError> {
        self.step(Step::Sender, talk.command(Mail::new(envelope.from().cloned(), vec![]))).await?;
        let mut delivery = Delivery::default();
        for recipient in envelope.to() {
            let named = talk.command(Rcpt::new(recipient.clone(), vec![]));
            match self.step(Step::Recipients, named).await {
                Err(MailError::Refused { code, message, .. })
                    if delivery.refused.len() + 1 < envelope.to().len() =>
                {
                    delivery.refused.push(format!("{recipient}: {code} {message}"));
                }
                taken => drop(taken?),
            }
        }
        self.step(Step::Announce, talk.command(Data)).await?;
        // The end of the last line is sent with the mark of the end; empty lines say nothing.
        let mut text = mail;
        while let Some(shorter) = text.strip_suffix(b"\r\n") {
            text = shorter;
        }
        self.within(self.text_limit, Step::Text, talk.message(text)).await?;
        Ok(delivery)
    }

    async fn step<T>(
        &self,
        step: Step,
        act: impl Future<Output = Result<T, lettre::transport::smtp::Error>>,
    ) -> Result<T, MailError> {
        self.within(self.step_limit, step, act).await
    }

    async fn within<T>(
        &self,
        limit: Duration,
        step: Step,
        act: impl Future<Output = Result<T, lettre::transport::smtp::Error>>,
    ) -> Result<T, MailError> {
        match tokio::time::timeout(limit, act).await {
            Err(_) => Err(MailError::TooLong { step, limit }),
            Ok(result) => result.map_err(|source| refusal(step, source)),
        }
    }
}

fn tls(settings: &Settings) -> Result<TlsParameters, lettre::transport::smtp::Error> {
    let mut tls = TlsParameters::builder(settings.host.clone());
    if let Some(pem) = &settings.trusted {
        tls = tls.add_root_certificate(Certificate::from_pem(pem)?);
    }
    tls.build_rustls()
}

/// The server's own words, where the error is a refusal.
fn refusal(step: Step, source: lettre::transport::smtp::Error) -> MailError {
    match source.status() {
        Some(code) => {
            // The words are in the error's source only.
            let message = std::error::Error::source(&source).map(ToString::to_string).unwrap_or_default();
            MailError::Refused { step, code: u16::from(code), message: line(&message, 300) }
        }
        None => MailError::Unreachable { step, source },
    }
}

impl Reply {
    /// The mail as it is sent, and whom to.
    ///
    /// # Errors
    /// The mail breaks a rule of mails. [`crate::mail::reply()`] makes none that does.
    pub fn to_mail(&self) -> Result<(Envelope, Vec<u8>), MailError> {
        let mut builder = Message::builder()
            .from(mailbox(&self.from)?)
            .subject(self.subject.as_str())
            .date(SystemTime::from(self.date))
            .message_id(Some(format!("<{}>", self.id)))
            .in_reply_to(format!("<{}>", self.in_reply_to))
            .references(format!("<{}>", self.in_reply_to));
        for person in &self.to {
            builder = builder.to(mailbox(person)?);
        }
        for person in &self.cc {
            builder = builder.cc(mailbox(person)?);
        }
        // RFC 3834: no program answers a mail that says so.
        let builder = raw(builder, "Auto-Submitted", "auto-generated");
        let mail = builder
            .singlepart(SinglePart::plain(self.text.clone()))
            .map_err(|error| MailError::Write(Box::new(error)))?;
        Ok((mail.envelope().clone(), mail.formatted()))
    }
}

fn raw(builder: MessageBuilder, name: &'static str, value: &str) -> MessageBuilder {
    let name = HeaderName::new_from_ascii_str(name);
    builder.raw_header(HeaderValue::new(name, value.to_owned()))
}

fn mailbox(person: &Person) -> Result<Mailbox, MailError> {
    let address: Address = person.address.parse().map_err(|error| MailError::Write(Box::new(error)))?;
    Ok(Mailbox::new(Some(person.name.clone()).filter(|name| !name.is_empty()), address))
}
