//! A receiver that is a URL: one POST, no redirect, no proxy, only a 2xx counts.
//!
//! Knows HTTP as far as that; nothing of an answer but its status and `Retry-After` is looked at.

use super::failure::Failure;
use super::secret::Secret;
use super::sign;
use crate::access::Notice;
use crate::os::web;
use chrono::{DateTime, Utc};
use std::time::Duration;
use ureq::tls::RootCerts;

/// Connecting, sending and the answer's head, all together.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Sends a notice, signed where there is a secret.
pub fn post(
    url: &str,
    notice: &Notice,
    secret: Option<&Secret>,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let roots = if is_https(url)? { Some(web::roots()) } else { None };
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
    let response =
        request.send(&notice.body).map_err(|error| Failure::NoAnswer(web::no_answer(&error)))?;
    match response.status().as_u16() {
        200..=299 => Ok(()),
        status => {
            Err(Failure::Answer { status, retry_after: web::retry_after(response.headers(), now) })
        }
    }
}

/// The policy's check has refused other URLs before; a policy that was not checked so sends nothing.
fn is_https(url: &str) -> Result<bool, Failure> {
    web::is_https(url).ok_or(Failure::Url)
}

fn agent(roots: Option<RootCerts>) -> ureq::Agent {
    web::agent(roots, TIMEOUT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use ureq::tls::Certificate;

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
        let usual = post(web::roots(), "localhost");
        server.kill().unwrap();
        server.wait().unwrap();
        good.unwrap();
        for refused in [host, mozilla, usual] {
            let words = refused.unwrap_err().to_string();
            assert!(words.contains("certificate") && !words.contains("secret"), "{words}");
        }
    }
}
