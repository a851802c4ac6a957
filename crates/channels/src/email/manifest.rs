//! What can be set for e-mail.

use std::sync::Arc;

use adapter::channel::Channel;
use adapter::{Choice, Default, Directs, Error, Field, FieldError, Input, Manifest, Required, Secrets, Settings};
use lettre::message::{Mailbox, Mailboxes};
use lettre::transport::smtp::client::TlsParameters;

use super::{Email, Security};
use crate::registry::{ChannelAdapter, Context};

pub(crate) const ADAPTER: ChannelAdapter = ChannelAdapter { manifest: &MANIFEST, open };

const HOST: &str = "host";
const PORT: &str = "port";
const SECURITY: &str = "security";
const USERNAME: &str = "username";
const PASSWORD: &str = "password";
const FROM: &str = "from";
const TO: &str = "to";

/// Maximum number of recipients.
const MAX_RECIPIENTS: usize = 50;

static MANIFEST: Manifest = Manifest {
    id: "email",
    title: "E-mail",
    summary: "E-mail through an SMTP server.",
    guide: "channels.md",
    icon: include_str!("icon.svg"),
    schemes: &[],
    addresses: "",
    fields: &[
        Field {
            name: HOST,
            label: "Host",
            help: "The SMTP server.",
            input: Input::Host,
            required: Required::Always,
            max_len: 253,
            example: "smtp.example.com",
            directs: Directs::Secrets,
            ..Field::TEXT
        },
        Field {
            name: SECURITY,
            label: "Encryption",
            help: "STARTTLS or TLS, with a certificate that is valid for the host. Without it, the password can be read on its way.",
            input: Input::Choice(&[
                Choice { value: "none", label: "None" },
                Choice { value: "starttls", label: "STARTTLS" },
                Choice { value: "tls", label: "TLS" },
            ]),
            default: Default::Text("starttls"),
            directs: Directs::Protection,
            ..Field::TEXT
        },
        Field {
            name: PORT,
            label: "Port",
            help: "The port of the SMTP server.",
            input: Input::Number { min: 1, max: 65535 },
            default: Default::Unset("587 for STARTTLS, 465 for TLS, 25 without encryption"),
            example: "587",
            directs: Directs::Secrets,
            ..Field::TEXT
        },
        Field {
            name: USERNAME,
            label: "Username",
            help: "Leave empty if the server does not require signing in.",
            ..Field::TEXT
        },
        Field {
            name: PASSWORD,
            label: "Password",
            help: "Some providers require an app password.",
            input: Input::Secret { shown: false },
            ..Field::TEXT
        },
        Field {
            name: FROM,
            label: "Sender",
            help: "The address that messages come from.",
            required: Required::Always,
            max_len: 320,
            example: "dbackup <backups@example.com>",
            ..Field::TEXT
        },
        Field {
            name: TO,
            label: "Recipients",
            help: "One or more addresses, separated by commas.",
            required: Required::Always,
            max_len: 4096,
            example: "ops@example.com, dba@example.com",
            ..Field::TEXT
        },
    ],
    database_field: None,
    effect: "",
    authorization: None,
    capabilities: &[],
    tools: &[],
    setup: None,
    check,
};

fn check(settings: &mut Settings, errors: &mut Vec<FieldError>) {
    errors.extend(sender(settings).err().map(|problem| FieldError::new(FROM, problem)));
    errors.extend(recipients(settings).err().map(|problem| FieldError::new(TO, problem)));
}

fn sender(settings: &Settings) -> Result<Mailbox, String> {
    let mailbox = settings.text(FROM).unwrap_or_default().parse();
    let mailbox: Mailbox = mailbox.map_err(|_| "must be an address such as backups@example.com")?;
    check_ascii(&mailbox)?;
    Ok(mailbox)
}

fn recipients(settings: &Settings) -> Result<Vec<Mailbox>, String> {
    let mailboxes = settings.text(TO).unwrap_or_default().parse();
    let mailboxes: Mailboxes =
        mailboxes.map_err(|_| "must be addresses such as ops@example.com, separated by commas")?;
    let mailboxes: Vec<Mailbox> = mailboxes.into_iter().collect();
    match mailboxes.len() {
        0 => return Err("must hold at least one address".to_owned()),
        1..=MAX_RECIPIENTS => {}
        _ => return Err(format!("must not hold more than {MAX_RECIPIENTS} addresses")),
    }
    mailboxes.iter().try_for_each(check_ascii)?;
    Ok(mailboxes)
}

/// Few mail servers take other addresses. Names may be of any letters.
fn check_ascii(mailbox: &Mailbox) -> Result<(), String> {
    let address = mailbox.email.to_string();
    if address.is_ascii() { Ok(()) } else { Err(format!("must be ASCII, with the domain in Punycode: {address}")) }
}

fn open(settings: &Settings, mut secrets: Secrets, context: &Context) -> Result<Arc<dyn Channel>, Error> {
    let host = settings.text(HOST).unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let tls = || {
        let tls = TlsParameters::new(host.clone());
        tls.map_err(|error| Error::failed("could not prepare TLS for e-mail", error))
    };
    let (security, port) = match settings.text(SECURITY) {
        Some("none") => (Security::None, 25),
        Some("tls") => (Security::Tls(tls()?), 465),
        _ => (Security::StartTls(tls()?), 587),
    };
    let port = settings.number(PORT).map_or(Ok(port), u16::try_from);
    let login = match (settings.text(USERNAME), secrets.remove(PASSWORD)) {
        (Some(username), Some(password)) => Some((username.to_owned(), password)),
        (None, None) => None,
        (Some(_), None) => return Err(Error::invalid("the username has no password").cure("Enter the password.")),
        (None, Some(_)) => return Err(Error::invalid("the password has no username").cure("Enter the username.")),
    };
    Ok(Arc::new(Email {
        port: port.map_err(|_| Error::invalid("the port must be from 1 to 65535"))?,
        security,
        login,
        from: sender(settings).map_err(|problem| Error::invalid(format!("the sender {problem}")))?,
        to: recipients(settings).map_err(|problem| Error::invalid(format!("the recipients {problem}")))?,
        host,
        context: context.clone(),
    }))
}
