//! An authority made at start, and a certificate for Dropbox's host names and the loopback.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

/// Dropbox's hosts; the routes of all of them are served on one port.
pub(crate) const HOSTS: [&str; 4] =
    ["api.dropboxapi.com", "content.dropboxapi.com", "notify.dropboxapi.com", "www.dropbox.com"];

/// Makes authority and certificate, and writes the authority to `ca.pem` in `folder`. The keys are never written.
pub(crate) fn acceptor(folder: &Path) -> io::Result<(TlsAcceptor, PathBuf)> {
    let names: Vec<String> = ["localhost", "127.0.0.1"].iter().chain(&HOSTS).map(|&name| name.to_owned()).collect();
    let (authority_pem, certificate, key) = certify(names).map_err(io::Error::other)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .map_err(io::Error::other)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    fs::create_dir_all(folder)?;
    let file = folder.join("ca.pem");
    fs::write(&file, authority_pem)?;
    Ok((TlsAcceptor::from(Arc::new(config)), file))
}

type Certificate = rustls::pki_types::CertificateDer<'static>;

fn certify(names: Vec<String>) -> Result<(String, Certificate, KeyPair), rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Dropbox emulator authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority_key = KeyPair::generate()?;
    let authority = params.self_signed(&authority_key)?;
    let issuer = Issuer::new(params, authority_key);

    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "Dropbox emulator");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?;
    Ok((authority.pem(), certificate.der().clone(), key))
}
