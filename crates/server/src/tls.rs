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
    /// The files that are in use.
    read: Stamp,
    /// Why the files could not be used at the last look, so that the log says it once.
    refused: Option<(Stamp, String)>,
}

/// What changes when a file is written, replaced, or gets other permissions: its inode, size, modification and change time.
type Stamp = [Option<(u64, u64, [i64; 4])>; 2];

impl Certificate {
    /// Reads a certificate chain and its key, both PEM.
    pub(crate) fn read(chain: &Path, key: &Path) -> Result<Self, String> {
        let read = stamp(chain, key);
        let config = RustlsConfig::from_config(Arc::new(load(chain, key)?));
        Ok(Self { chain: chain.to_owned(), key: key.to_owned(), config, read, refused: None })
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
                Some(Ok(())) => tracing::info!(file = %self.chain.display(), "the renewed TLS certificate is in use"),
                None => {}
                Some(Err(error)) => tracing::error!(
                    error,
                    "the TLS certificate changed but cannot be used: the previous one stays in use"
                ),
            }
        }
    }

    /// Reads the files unless they are the ones in use. Files that cannot be used change nothing and are read again at each look,
    /// since nothing may tell when they can be. Returns `None` if there is nothing new to tell.
    fn refresh(&mut self) -> Option<Result<(), String>> {
        let now = stamp(&self.chain, &self.key);
        if now == self.read {
            self.refused = None;
            return None;
        }
        match load(&self.chain, &self.key) {
            Ok(config) => {
                self.config.reload_from_config(Arc::new(config));
                (self.read, self.refused) = (now, None);
                Some(Ok(()))
            }
            Err(error) => {
                let refused = Some((now, error.clone()));
                if self.refused == refused {
                    return None;
                }
                self.refused = refused;
                Some(Err(error))
            }
        }
    }
}

fn stamp(chain: &Path, key: &Path) -> Stamp {
    [chain, key].map(|path| {
        let file = std::fs::metadata(path).ok()?;
        Some((file.ino(), file.size(), [file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()]))
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
        assert_eq!(certificate.refresh(), None);
        renew(folder.path());
        assert_eq!(certificate.refresh(), Some(Ok(())));
        let second = certificate.config.get_inner();
        assert!(!Arc::ptr_eq(&first, &second));
        // A key that is not the certificate's, a half-written file, no file at all.
        let good = std::fs::read(&key).unwrap();
        let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap().signing_key;
        for broken in [other.serialize_pem().into_bytes(), good[..good.len() / 2].to_vec(), Vec::new()] {
            std::fs::write(&key, broken).unwrap();
            assert!(certificate.refresh().unwrap().unwrap_err().contains("key.pem"));
            assert!(Arc::ptr_eq(&second, &certificate.config.get_inner()));
        }
        std::fs::remove_file(&key).unwrap();
        assert!(certificate.refresh().unwrap().is_err());
        std::fs::write(&key, good).unwrap();
        assert_eq!(certificate.refresh(), Some(Ok(())));
    }

    #[test]
    fn a_certificate_that_cannot_be_read_at_first_is_used_as_soon_as_it_can_and_told_once() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        renew(folder.path());
        let (chain, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        let mut certificate = Certificate::read(&chain, &key).unwrap();
        let first = certificate.config.get_inner();
        // The renewed key lies in a folder that cannot be entered: root, too, is kept from reading what is not there.
        let (renewed, aside) = (folder.path().join("renewed"), folder.path().join("aside"));
        std::fs::create_dir(&renewed).unwrap();
        renew(&renewed);
        std::fs::rename(renewed.join("cert.pem"), &chain).unwrap();
        std::fs::remove_file(&key).unwrap();
        std::os::unix::fs::symlink(renewed.join("key.pem"), &key).unwrap();
        std::fs::rename(&renewed, &aside).unwrap();
        assert!(certificate.refresh().unwrap().is_err());
        assert_eq!(certificate.refresh(), None, "the same refusal is told once");
        std::fs::rename(&aside, &renewed).unwrap();
        assert_eq!(certificate.refresh(), Some(Ok(())));
        assert!(!Arc::ptr_eq(&first, &certificate.config.get_inner()));
        assert_eq!(certificate.refresh(), None);
    }

    #[test]
    fn files_that_were_refused_are_read_again_although_nothing_about_them_has_changed() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        renew(folder.path());
        let (chain, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        let mut certificate = Certificate::read(&chain, &key).unwrap();
        renew(folder.path());
        // As after a look at files with mode 0000, which root can read: refused, and the stamp is that of now.
        certificate.refused = Some((stamp(&chain, &key), "permission denied".to_owned()));
        assert_eq!(certificate.refresh(), Some(Ok(())));
        let old = stamp(&chain, &key);
        std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        assert_ne!(old, stamp(&chain, &key), "other permissions are a change");
    }
}
