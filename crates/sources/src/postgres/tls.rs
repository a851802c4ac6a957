//! TLS for the driver, by libpq's rules (<https://www.postgresql.org/docs/current/libpq-ssl.html>): when it is used, and what is
//! checked. A certificate that rustls does not accept is judged again by libpq, whose word counts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::settings::{Settings, user_folder};

/// When TLS is tried, in order, and how.
#[derive(Clone)]
pub(super) struct Encryption {
    /// Ways to connect. The next one is tried if the server's access rules refuse one.
    pub(super) modes: &'static [SslMode],
    /// The connector.
    pub(super) connector: MakeRustlsConnect,
}

impl Encryption {
    /// Resolves a source's TLS settings. `Err` names what only libpq can carry out.
    pub(super) fn of(settings: &Settings) -> Result<Self, String> {
        let mode = settings.get("sslmode").unwrap_or("prefer");
        let modes: &[SslMode] = match mode {
            "disable" => &[SslMode::Disable],
            "allow" => &[SslMode::Disable, SslMode::Require],
            "prefer" => &[SslMode::Prefer, SslMode::Disable],
            "require" | "verify-ca" | "verify-full" => &[SslMode::Require],
            other => return Err(format!("sslmode={other}")),
        };
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = verifier(settings, mode, &provider)?;
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| error.to_string())?;
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        let config = match client_certificate(settings)? {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(|error| error.to_string())?,
            None => builder.with_no_client_auth(),
        };
        Ok(Self { modes, connector: MakeRustlsConnect::new(config) })
    }
}

fn verifier(
    settings: &Settings,
    mode: &str,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let default = |name: &str| user_folder().map(|folder| folder.join(name));
    if default("root.crl").is_some_and(|file| file.exists()) {
        return Err("a revocation list".to_owned());
    }
    let given = settings.get("sslrootcert").map(PathBuf::from);
    if given.as_deref() == Some(Path::new("system")) {
        return Err("sslrootcert=system".to_owned());
    }
    let file = given.or_else(|| default("root.crt")).filter(|file| file.exists());
    let Some(file) = file else {
        // libpq says that the file is missing, and where.
        let needs_file = mode.starts_with("verify-");
        return if needs_file {
            Err("no root certificate".to_owned())
        } else {
            Ok(Arc::new(Lenient { provider: Arc::clone(provider), chain: None }))
        };
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&file)? {
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    let full = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let full = full.build().map_err(|error| error.to_string())?;
    // With a root certificate, libpq checks the chain in every mode.
    let lenient = |chain| Lenient { provider: Arc::clone(provider), chain: Some(chain) };
    Ok(if mode == "verify-full" { full } else { Arc::new(lenient(full)) })
}

/// Returns the client's certificate and key, if there are any.
fn client_certificate(
    settings: &Settings,
) -> Result<Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>, String> {
    let file = |name: &str, default: &str| {
        settings.get(name).map(PathBuf::from).or_else(|| Some(user_folder()?.join(default)))
    };
    let Some(certificate) = file("sslcert", "postgresql.crt").filter(|file| file.exists()) else { return Ok(None) };
    let key = file("sslkey", "postgresql.key").ok_or("no key")?;
    let key = PrivateKeyDer::from_pem_file(&key).map_err(|error| error.to_string())?;
    Ok(Some((certificates(&certificate)?, key)))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    certificates.map_err(|error| error.to_string())
}

/// Checks less of a server than rustls would: that it has the key of its certificate, and the certificate's chain if there is somebody
/// to vouch for it, but not its name.
#[derive(Debug)]
struct Lenient {
    provider: Arc<CryptoProvider>,
    /// Checks the chain, as `verify-ca` does. `None` takes any certificate, as `prefer` and `require` without a root certificate do.
    chain: Option<Arc<WebPkiServerVerifier>>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        // The name is checked after the chain.
        match chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
