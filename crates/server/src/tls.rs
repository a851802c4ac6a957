//! The certificate: read from its files, and again when they change.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum_server::tls_rustls::RustlsConfig;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The files are looked at this often.
const LOOK_INTERVAL: Duration = Duration::from_secs(20);

/// A certificate chain and its key, as they are in their files.
#[derive(Clone)]
pub(crate) struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    config: RustlsConfig,
    read: Stamp,
}

/// What changes when a file is written or replaced: its inode, size and modification time.
type Stamp = [Option<(u64, u64, i64, i64)>; 2];

impl Certificate {
    /// Reads a certificate chain and its key, both PEM.
    pub(crate) fn read(chain: &Path, key: &Path) -> Result<Self, String> {
        let read = stamp(chain, key);
        let config = RustlsConfig::from_config(Arc::new(load(chain, key)?));
        Ok(Self { chain: chain.to_owned(), key: key.to_owned(), config, read })
    }

    /// Returns what TLS connections are accepted with.
    pub(crate) fn config(&self) -> RustlsConfig {
        self.config.clone()
    }

    /// Reads the files again whenever they change. Never returns.
    pub(crate) async fn keep_fresh(mut self) {
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            match self.refresh() {
                Ok(true) => tracing::info!(file = %self.chain.display(), "the renewed TLS certificate is in use"),
                Ok(false) => {}
                Err(error) => tracing::error!(
                    error,
                    "the TLS certificate changed but cannot be used: the previous one stays in use"
                ),
            }
        }
    }

    /// Reads the files if they have changed. Returns whether a new certificate is in use; what cannot be used changes nothing.
    fn refresh(&mut self) -> Result<bool, String> {
        let now = stamp(&self.chain, &self.key);
        if now == self.read {
            return Ok(false);
        }
        self.read = now;
        self.config.reload_from_config(Arc::new(load(&self.chain, &self.key)?));
        Ok(true)
    }
}

fn stamp(chain: &Path, key: &Path) -> Stamp {
    [chain, key].map(|path| {
        let file = std::fs::metadata(path).ok()?;
        Some((file.ino(), file.size(), file.mtime(), file.mtime_nsec()))
    })
}

fn load(chain: &Path, key: &Path) -> Result<ServerConfig, String> {
    let wrong = |error: &dyn std::fmt::Display| {
        format!("the TLS certificate {} or its key {}: {error}", chain.display(), key.display())
    };
    let certificates = CertificateDer::pem_file_iter(chain).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = certificates.map_err(|error| wrong(&error))?;
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(&error))?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(certificates, key_der);
    let mut config = config.map_err(|error| wrong(&error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a new pair beside the old one and renames it into place, as certbot does.
    fn renew(folder: &Path) {
        let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        for (name, text) in [("cert.pem", pair.cert.pem()), ("key.pem", pair.signing_key.serialize_pem())] {
            std::fs::write(folder.join("new"), text).unwrap();
            std::fs::rename(folder.join("new"), folder.join(name)).unwrap();
        }
    }

    #[test]
    fn a_renewed_certificate_is_used_and_a_broken_one_is_not() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        renew(folder.path());
        let (chain, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        let mut certificate = Certificate::read(&chain, &key).unwrap();
        let first = certificate.config.get_inner();
        assert_eq!(first.alpn_protocols, [b"http/1.1"]);
        assert_eq!(certificate.refresh(), Ok(false));
        renew(folder.path());
        assert_eq!(certificate.refresh(), Ok(true));
        let second = certificate.config.get_inner();
        assert!(!Arc::ptr_eq(&first, &second));
        // A key that is not the certificate's, a half-written file, no file at all.
        let good = std::fs::read(&key).unwrap();
        let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap().signing_key;
        for broken in [other.serialize_pem().into_bytes(), good[..good.len() / 2].to_vec(), Vec::new()] {
            std::fs::write(&key, broken).unwrap();
            assert!(certificate.refresh().unwrap_err().contains("key.pem"));
            assert!(Arc::ptr_eq(&second, &certificate.config.get_inner()));
        }
        std::fs::remove_file(&key).unwrap();
        assert!(certificate.refresh().is_err());
        std::fs::write(&key, good).unwrap();
        assert_eq!(certificate.refresh(), Ok(true));
    }
}
