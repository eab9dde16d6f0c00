//! A receiver that is a URL: one POST, no redirect, no proxy, only a 2xx counts.
//!
//! Knows HTTP as far as that; nothing of an answer but its status and `Retry-After` is looked at.

use super::failure::Failure;
use super::secret::Secret;
use super::sign;
use crate::access::Notice;
use crate::os::files;
use crate::os::trust;
use chrono::{DateTime, Utc};
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;
use ureq::http::{HeaderMap, Uri};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

/// Connecting, sending and the answer's head, all together.
const TIMEOUT: Duration = Duration::from_secs(5);
const MAX_HEAD: usize = 16 * 1024;
const MAX_ROOTS: usize = 8 << 20;
/// Where hosts keep the authorities that they trust: Debian, Red Hat, SUSE, Alpine.
const ROOTS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Sends a notice, signed where there is a secret.
pub fn post(
    url: &str,
    notice: &Notice,
    secret: Option<&Secret>,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let roots = if is_https(url)? { Some(roots()) } else { None };
    post_by(&agent(roots), url, notice, secret, now)
}

fn post_by(
    agent: &ureq::Agent,
    url: &str,
    notice: &Notice,
    secret: Option<&Secret>,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let timestamp = now.timestamp();
    let mut request = agent
        .post(url)
        .header("content-type", "application/json")
        .header("webhook-id", &notice.id)
        .header("webhook-timestamp", timestamp.to_string());
    if let Some(secret) = secret {
        let standard = sign::standard(secret, &notice.id, timestamp, &notice.body);
        let hub = sign::hub(secret, &notice.body);
        request = request
            .header("webhook-signature", standard.ok_or(Failure::Url)?)
            .header("x-hub-signature-256", hub.ok_or(Failure::Url)?);
    }
    let response = request.send(&notice.body).map_err(|error| no_answer(&error))?;
    match response.status().as_u16() {
        200..=299 => Ok(()),
        status => {
            Err(Failure::Answer { status, retry_after: retry_after(response.headers(), now) })
        }
    }
}

/// The host of a URL, which may be told; the path of a chat's hook is a secret.
pub fn host(url: &str) -> Option<String> {
    url.parse::<Uri>().ok()?.host().map(str::to_owned)
}

/// The policy's check has refused other URLs before; a policy that was not checked so sends nothing.
fn is_https(url: &str) -> Result<bool, Failure> {
    let uri: Uri = url.parse().map_err(|_| Failure::Url)?;
    match (uri.scheme_str(), uri.host()) {
        (Some("https"), Some(_)) => Ok(true),
        (Some("http"), Some(host)) if is_loopback(host) => Ok(false),
        _ => Err(Failure::Url),
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// With authorities it speaks nothing but TLS.
fn agent(roots: Option<RootCerts>) -> ureq::Agent {
    let mut config = ureq::Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
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

/// The host's authorities, so that a receiver inside the site can have a certificate of the site's
/// own; Mozilla's, built in, where the host has none.
fn roots() -> RootCerts {
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

/// Seconds, or a date (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get("retry-after")?.to_str().ok()?.trim();
    match text.parse::<u64>() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => (DateTime::parse_from_rfc2822(text).ok()?.to_utc() - now).to_std().ok(),
    }
}

/// What went wrong, in our words: ureq's may hold the URL.
fn no_answer(error: &ureq::Error) -> Failure {
    use std::io::ErrorKind;
    let words = match error {
        ureq::Error::Timeout(_) => "it did not answer in time".to_owned(),
        ureq::Error::HostNotFound => "its name is not known".to_owned(),
        ureq::Error::Io(error) if error.kind() == ErrorKind::TimedOut => {
            "it did not answer in time".to_owned()
        }
        ureq::Error::Io(error) => format!("no connection: {error}"),
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) | ureq::Error::Pem(_) => {
            format!("its certificate or its TLS is no good: {error}")
        }
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => "its URL can't be used".to_owned(),
        _ => "its answer is not HTTP".to_owned(),
    };
    Failure::NoAnswer(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_goes_to_this_host_alone() {
        for url in
            ["http://127.0.0.1:8/x", "http://127.9.9.9/", "http://[::1]:1/", "http://localhost/"]
        {
            assert!(!is_https(url).unwrap(), "{url}");
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
            assert!(is_https(url).is_err(), "{url}");
        }
        assert!(is_https("https://example.org/x").unwrap());
    }

    #[test]
    fn the_path_of_a_url_is_not_told() {
        let told = host("https://user:pw@hooks.example.org:8443/T0/secret?x=secret").unwrap();
        assert_eq!(told, "hooks.example.org");
    }

    const SERVER: &str = "
import http.server, ssl, sys
class Taker(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers['content-length']))
        self.send_response(204); self.end_headers()
    def log_message(self, *_): pass
server = http.server.HTTPServer(('127.0.0.1', 0), Taker)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
";

    /// A certificate for `localhost` that vouches for itself.
    fn certificate(folder: &Path) -> Option<(String, String)> {
        let path = |name: &str| folder.join(name).display().to_string();
        let (key, certificate) = (path("key.pem"), path("cert.pem"));
        let made = std::process::Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
            .args(["-nodes", "-subj", "/CN=localhost", "-days", "2"])
            .args(["-addext", "subjectAltName=DNS:localhost"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .args(["-keyout", &key, "-out", &certificate])
            .stderr(std::process::Stdio::null())
            .status();
        made.is_ok_and(|status| status.success()).then_some((certificate, key))
    }

    #[test]
    fn a_certificate_counts_only_if_somebody_trusted_vouches_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let Some((certificate, key)) = certificate(folder.path()) else {
            println!("skipped: no openssl");
            return;
        };
        let Ok(mut server) = std::process::Command::new("python3")
            .args(["-c", SERVER, &certificate, &key])
            .stdout(std::process::Stdio::piped())
            .spawn()
        else {
            println!("skipped: no python3");
            return;
        };
        let mut port = String::new();
        let mut said = std::io::BufReader::new(server.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut said, &mut port).unwrap();
        let notice = Notice {
            id: "7f3k-92qd-1-x".into(),
            target: String::new(),
            event: "access.requested".into(),
            body: "{}".into(),
            at: DateTime::UNIX_EPOCH,
            due: DateTime::UNIX_EPOCH,
            while_lent: None,
            tries: 0,
        };
        let pem = std::fs::read(&certificate).unwrap();
        let own = || RootCerts::new_with_certs(&[Certificate::from_pem(&pem).unwrap()]);
        let post = |roots, host: &str| {
            let url = format!("https://{host}:{}/secret-part", port.trim());
            post_by(&agent(Some(roots)), &url, &notice, None, DateTime::UNIX_EPOCH)
        };
        let (good, host, mozilla) = (
            post(own(), "localhost"),
            post(own(), "127.0.0.1"),
            post(RootCerts::WebPki, "localhost"),
        );
        let usual = post(roots(), "localhost");
        server.kill().unwrap();
        server.wait().unwrap();
        good.unwrap();
        for refused in [host, mozilla, usual] {
            let words = refused.unwrap_err().to_string();
            assert!(words.contains("certificate") && !words.contains("secret"), "{words}");
        }
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
