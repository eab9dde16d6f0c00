//! The files that `[store]` names: authority, our certificate and key, password.
//!
//! Knows who may own and read each, and their form; not when they are used. What a secret says is
//! never printed: errors name the file alone.

use super::super::access::StoreError;
use crate::os::files::{self, FileError};
use crate::os::trust::{self, TrustError};
use crate::policy::model::SharedStore;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io;
use std::path::Path;
use std::sync::Arc;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig};

/// Longest file, in bytes.
const MAX_FILE: usize = 1 << 20;
const READABLE_BY_OTHERS: u32 = 0o077;

/// How connections are secured: by the authority that is named, else by the public ones.
pub fn tls(shared: &SharedStore, account_uid: u32) -> Result<TlsConfig, StoreError> {
    let provider = Arc::new(ring::default_provider());
    let builder = TlsConfig::builder().unversioned_rustls_crypto_provider(provider);
    let builder = match &shared.ca {
        Some(path) => builder.root_certs(authority(Path::new(&**path), account_uid)?),
        None => builder.root_certs(RootCerts::WebPki),
    };
    let identity = match &shared.identity {
        Some((chain, key)) => Some(identity(Path::new(&**chain), Path::new(&**key), account_uid)?),
        None => None,
    };
    Ok(builder.client_cert(identity).build())
}

/// A password, without the line's end.
pub fn password(path: &Path, account_uid: u32) -> Result<String, StoreError> {
    let text = String::from_utf8(secret(path, account_uid)?);
    let text = text.map_err(|_| wrong(path, "not text"))?;
    let password = text.trim_end_matches(['\n', '\r']);
    match password.is_empty() || password.contains('\n') {
        true => Err(wrong(path, "one line with the password is expected")),
        false => Ok(password.to_owned()),
    }
}

fn authority(path: &Path, account_uid: u32) -> Result<RootCerts, StoreError> {
    let certificates = certificates(path, &trusted(path, account_uid)?)?;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in &certificates {
        let der = CertificateDer::from(certificate.der());
        roots.add(der).map_err(|_| wrong(path, "not the certificate of an authority"))?;
    }
    Ok(RootCerts::new_with_certs(&certificates))
}

/// Certificate and key, tested as the TLS library will: it panics on a pair that does not match.
fn identity(chain: &Path, key: &Path, account_uid: u32) -> Result<ClientCert, StoreError> {
    let certificates = certificates(chain, &trusted(chain, account_uid)?)?;
    let pem = secret(key, account_uid)?;
    let bad = || wrong(key, "not a private key in PEM");
    let private = PrivateKey::from_pem(&pem).map_err(|_| bad())?;
    let der = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| bad())?;
    let whole: Vec<CertificateDer<'static>> =
        certificates.iter().map(|one| CertificateDer::from(one.der()).into_owned()).collect();
    let provider = ring::default_provider();
    rustls::sign::CertifiedKey::from_der(whole, der, &provider).map_err(|_| {
        wrong(key, &format!("not the key of the certificate `{}`", chain.display()))
    })?;
    Ok(ClientCert::new_with_certs(&certificates, private))
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<Certificate<'static>>, StoreError> {
    let mut found = Vec::new();
    for item in ureq::tls::parse_pem(pem) {
        if let PemItem::Certificate(one) = item.map_err(|_| wrong(path, "not PEM"))? {
            found.push(one);
        }
    }
    if found.is_empty() {
        return Err(wrong(path, "no certificate in PEM"));
    }
    Ok(found)
}

fn trusted(path: &Path, account_uid: u32) -> Result<Vec<u8>, StoreError> {
    let file = trust::open_file(path, account_uid)?;
    Ok(files::read_opened(&file, path, MAX_FILE).map_err(TrustError::from)?)
}

fn secret(path: &Path, account_uid: u32) -> Result<Vec<u8>, StoreError> {
    let file = trust::open_file(path, account_uid)?;
    let stat = rustix::fs::fstat(&file)
        .map_err(|error| TrustError::from(FileError::new(path, "read", error)))?;
    if stat.st_mode & READABLE_BY_OTHERS != 0 {
        return Err(wrong(path, "its group or others can read it: chmod 600"));
    }
    Ok(files::read_opened(&file, path, MAX_FILE).map_err(TrustError::from)?)
}

fn wrong(path: &Path, what: &str) -> StoreError {
    TrustError::from(FileError::new(path, "use", io::Error::other(what.to_owned()))).into()
}
