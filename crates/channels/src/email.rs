//! E-mail over SMTP.
//!
//! `Message-ID` comes from the message's id, so mail programs show a message that was sent again once. A recipient that is refused does
//! not keep the message from the others.

mod body;
mod failure;
pub(crate) mod manifest;
#[cfg(test)]
mod tests;

use std::time::Duration;

use adapter::channel::{Channel, Message, Receipt};
use adapter::{Error, Kind};
use async_trait::async_trait;
use lettre::Address;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use secrecy::{ExposeSecret, SecretString};

use self::failure::{Failures, Step};
use crate::registry::Context;

/// Maximum duration of sending, from the connection to the answer.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Maximum duration of connecting to one address.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// A mail server, and who gets mail through it.
struct Email {
    host: String,
    port: u16,
    security: Security,
    login: Option<(String, SecretString)>,
    from: Mailbox,
    to: Vec<Mailbox>,
    context: Context,
}

/// How the connection is encrypted.
enum Security {
    None,
    StartTls(TlsParameters),
    Tls(TlsParameters),
}

#[async_trait]
impl Channel for Email {
    fn name(&self) -> String {
        match &self.to[..] {
            [] => "e-mail".to_owned(),
            [only] => format!("e-mail to {}", only.email),
            [first, others @ ..] => format!("e-mail to {} and {} more", first.email, others.len()),
        }
    }

    async fn send(&self, message: &Message) -> Result<Receipt, Error> {
        let what = format!("could not send {}", self.name());
        let mail = body::mail(message, &self.from, &self.to, (self.context.clock)());
        let mail = mail.map_err(|error| Error::failed(&*what, error))?.formatted();
        let failures = Failures { what: &what, secret: self.login.as_ref().map(|(_, password)| password) };
        let late = || {
            let cause = format!("{} did not answer within {} s", self.host, TIMEOUT.as_secs());
            Error::new(Kind::Unavailable, &*what, cause)
        };
        let delivery = self.deliver(&mail, &failures);
        tokio::time::timeout(TIMEOUT, delivery).await.unwrap_or_else(|_| Err(late()))
    }
}

impl Email {
    async fn deliver(&self, mail: &[u8], failures: &Failures<'_>) -> Result<Receipt, Error> {
        let mut connection = self.connect(failures).await?;
        let result = self.transact(&mut connection, mail, failures).await;
        // The answer to the message has been read: how the connection ends does not matter.
        connection.abort().await;
        result
    }

    async fn connect(&self, failures: &Failures<'_>) -> Result<AsyncSmtpConnection, Error> {
        let addresses = self.context.egress.addresses(&self.host, self.port, failures.what).await?;
        let hello = ClientId::Domain(self.from.email.domain().to_owned());
        let tls = if let Security::Tls(tls) = &self.security { Some(tls.clone()) } else { None };
        let connection =
            AsyncSmtpConnection::connect_tokio1(&addresses[..], Some(CONNECT_TIMEOUT), &hello, tls, None).await;
        let mut connection = connection.map_err(|error| failures.of(&Step::Connect, &error))?;
        if let Security::StartTls(tls) = &self.security {
            let upgraded = connection.starttls(tls.clone(), &hello).await;
            upgraded.map_err(|error| failures.of(&Step::StartTls, &error))?;
        }
        if let Some((username, password)) = &self.login {
            let credentials = Credentials::new(username.clone(), password.expose_secret().to_owned());
            let signed_in = connection.auth(DEFAULT_MECHANISMS, &credentials).await;
            signed_in.map_err(|error| failures.of(&Step::SignIn, &error))?;
        }
        Ok(connection)
    }

    /// Sends the message to those recipients that the server takes.
    async fn transact(
        &self,
        connection: &mut AsyncSmtpConnection,
        mail: &[u8],
        failures: &Failures<'_>,
    ) -> Result<Receipt, Error> {
        let from = &self.from.email;
        let begun = connection.command(Mail::new(Some(from.clone()), Vec::new())).await;
        begun.map_err(|error| failures.of(&Step::Sender(from), &error))?;
        let refused = self.name_recipients(connection, failures).await?;
        if refused.len() == self.to.len() {
            return Err(failures.of_recipients(refused, false));
        }
        connection.command(Data).await.map_err(|error| failures.of(&Step::Message, &error))?;
        let answer = connection.message(mail).await.map_err(|error| failures.of(&Step::Message, &error))?;
        if !refused.is_empty() {
            return Err(failures.of_recipients(refused, true));
        }
        Ok(Receipt::new(&answer.message().collect::<Vec<_>>().join(" ")))
    }

    /// Returns the recipients that the server refused, and why.
    async fn name_recipients(
        &self,
        connection: &mut AsyncSmtpConnection,
        failures: &Failures<'_>,
    ) -> Result<Vec<(&Address, Error)>, Error> {
        let mut refused = Vec::new();
        for recipient in &self.to {
            let address = &recipient.email;
            let Err(error) = connection.command(Rcpt::new(address.clone(), Vec::new())).await else { continue };
            let failure = failures.of(&Step::Recipient(address), &error);
            // Without a status the connection itself broke.
            if error.status().is_none() {
                return Err(failure);
            }
            refused.push((address, failure));
        }
        Ok(refused)
    }
}
