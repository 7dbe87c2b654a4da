//! What a venue shows under TLS and asks for: certificate, key, and whose certificates of clients it believes.

use std::fmt;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use zeroize::Zeroizing;

/// Files of a listener under TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The venue's certificate and those that lead to its issuer, PEM.
    pub cert: PathBuf,
    /// The key of the first certificate, PEM.
    pub key: PathBuf,
    /// Issuers of clients' certificates, PEM; `None`: clients are asked for none.
    pub client_ca: Option<PathBuf>,
}

/// A file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsError {
    /// Which.
    pub file: PathBuf,
    /// Why not.
    pub what: String,
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.what)
    }
}

impl std::error::Error for TlsError {}

/// Largest file read.
const BYTES_MAX: u64 = 1 << 20;

/// How TLS is spoken: version 1.3, no resumption, a client's certificate if it has one.
///
/// # Errors
///
/// If a file cannot be read or does not fit the others.
pub fn server_config(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let wrong = |file: &Path, what: String| TlsError { file: file.to_path_buf(), what };
    let chain = certificates(&files.cert)?;
    let key_text = read(&files.key, Readers::Owner)?;
    let key = PrivateKeyDer::from_pem_slice(&key_text)
        .map_err(|_| wrong(&files.key, "has no private key in PEM".into()))?;
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| wrong(&files.cert, error.to_string()))?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for issuer in certificates(file)? {
                roots.add(issuer).map_err(|error| wrong(file, error.to_string()))?;
            }
            // Who needs one is asked for it by its session.
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated()
                .build()
                .map_err(|error| wrong(file, error.to_string()))?;
            let verifier: Arc<dyn ClientCertVerifier> = verifier;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|error| wrong(&files.key, format!("does not go with the certificate: {error}")))?;
    // A session lasts for hours: nothing is gained by going on with an old one.
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(file, Readers::All)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => {
            let what = "has no certificates in PEM".into();
            Err(TlsError { file: file.to_path_buf(), what })
        }
    }
}

/// Who may be able to read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Readers {
    All,
    Owner,
}

fn read(path: &Path, readers: Readers) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let wrong = |what: String| TlsError { file: path.to_path_buf(), what };
    let unreadable = |error| wrong(format!("cannot be read: {error}"));
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    let mode = about.permissions().mode() & 0o777;
    if readers == Readers::Owner && mode & 0o077 != 0 {
        return Err(wrong(format!("others may read or write it (mode {mode:03o}): chmod 600 it")));
    }
    if about.len() > BYTES_MAX {
        return Err(wrong(format!("is larger than {BYTES_MAX} bytes")));
    }
    let room = usize::try_from(about.len()).unwrap_or_default() + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.take(BYTES_MAX).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}
