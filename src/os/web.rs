//! How refwarden speaks HTTP: https or loopback only, no redirect, no proxy, short heads, and the
//! authorities that the host trusts.
//!
//! Knows the client's rules; not what is asked for, nor of whom.

use super::{files, trust};
use chrono::{DateTime, Utc};
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;
use ureq::http::{HeaderMap, Uri};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

const MAX_HEAD: usize = 16 * 1024;
const MAX_ROOTS: usize = 8 << 20;
/// Where hosts keep the authorities that they trust: Debian, Red Hat, SUSE, Alpine.
const ROOTS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Whether a URL is https; `None` where it is neither that nor http to this very host.
#[must_use]
pub fn is_https(url: &str) -> Option<bool> {
    let uri: Uri = url.parse().ok()?;
    match (uri.scheme_str(), uri.host()) {
        (Some("https"), Some(_)) => Some(true),
        (Some("http"), Some(host)) if is_loopback(host) => Some(false),
        _ => None,
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// The host of a URL, which may be told; its path may be a secret.
#[must_use]
pub fn host(url: &str) -> Option<String> {
    url.parse::<Uri>().ok()?.host().map(str::to_owned)
}

/// A client. With authorities it speaks nothing but TLS. `timeout` is for all of a call: connecting,
/// sending, head and body.
#[must_use]
pub fn agent(roots: Option<RootCerts>, timeout: Duration) -> ureq::Agent {
    let mut config = ureq::Agent::config_builder()
        .timeout_global(Some(timeout))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .proxy(None)
        .https_only(roots.is_some())
        .max_response_header_size(MAX_HEAD)
        .max_idle_connections(0)
        .user_agent(concat!("refwarden/", env!("CARGO_PKG_VERSION")));
    if let Some(roots) = roots {
        config = config.tls_config(TlsConfig::builder().root_certs(roots).build());
    }
    config.build().into()
}

/// The host's authorities, so that a server inside the site can have a certificate of the site's
/// own; Mozilla's, built in, where the host has none.
#[must_use]
pub fn roots() -> RootCerts {
    ROOTS
        .iter()
        .find_map(|path| authorities(Path::new(path)))
        .map_or(RootCerts::WebPki, |found| RootCerts::new_with_certs(&found))
}

fn authorities(path: &Path) -> Option<Vec<Certificate<'static>>> {
    // Root alone may say whom the host trusts.
    let file = trust::open_file(path, 0).ok()?;
    let text = files::read_opened(&file, path, MAX_ROOTS).ok()?;
    let found: Vec<_> = parse_pem(&text)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    (!found.is_empty()).then_some(found)
}

/// How long a server asks to be left alone: seconds, or a date (RFC 9110, 10.2.3).
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get("retry-after")?.to_str().ok()?.trim();
    match text.parse::<u64>() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => (DateTime::parse_from_rfc2822(text).ok()?.to_utc() - now).to_std().ok(),
    }
}

/// What went wrong, in our words: ureq's may hold the URL.
#[must_use]
pub fn no_answer(error: &ureq::Error) -> String {
    match error {
        _ if is_timeout(error) => "it did not answer in time".to_owned(),
        ureq::Error::HostNotFound => "its name is not known".to_owned(),
        ureq::Error::Io(error) => format!("no connection: {error}"),
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) | ureq::Error::Pem(_) => {
            format!("its certificate or its TLS is no good: {error}")
        }
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => "its URL can't be used".to_owned(),
        _ => "its answer is not HTTP".to_owned(),
    }
}

/// Whether a call took too long.
#[must_use]
pub fn is_timeout(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Timeout(_) => true,
        ureq::Error::Io(error) => error.kind() == std::io::ErrorKind::TimedOut,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_goes_to_this_host_alone() {
        for url in
            ["http://127.0.0.1:8/x", "http://127.9.9.9/", "http://[::1]:1/", "http://localhost/"]
        {
            assert_eq!(is_https(url), Some(false), "{url}");
        }
        for url in [
            "http://example.org/",
            "http://localhost.example.org/",
            "http://127.0.0.1.example.org/",
            "http://127.0.0.1@example.org/",
            "ftp://127.0.0.1/",
            "file:///etc/passwd",
            "//127.0.0.1/",
            "",
        ] {
            assert_eq!(is_https(url), None, "{url}");
        }
        assert_eq!(is_https("https://example.org/x"), Some(true));
    }

    #[test]
    fn the_path_of_a_url_is_not_told() {
        let told = host("https://user:pw@hooks.example.org:8443/T0/secret?x=secret").unwrap();
        assert_eq!(told, "hooks.example.org");
    }

    #[test]
    fn the_authorities_of_the_host_are_found_where_it_has_any() {
        let has_some = ROOTS.iter().any(|path| Path::new(path).is_file());
        assert_eq!(matches!(roots(), RootCerts::Specific(_)), has_some);
    }

    #[test]
    fn a_retry_after_is_seconds_or_a_date() {
        let now: DateTime<Utc> = "2026-03-01T10:00:00Z".parse().unwrap();
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", text.parse().unwrap());
            retry_after(&headers, now).map(|wait| wait.as_secs())
        };
        assert_eq!(read("120"), Some(120));
        assert_eq!(read("Sun, 01 Mar 2026 10:02:00 GMT"), Some(120));
        assert_eq!(read("Sun, 01 Mar 2026 09:00:00 GMT"), None);
        for bad in ["", "-1", "soon", "99999999999999999999999"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
