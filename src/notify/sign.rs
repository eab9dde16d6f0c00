//! Signatures of a notice: Standard Webhooks 1.0 ("Symmetric") and GitHub's.

use super::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt::Write as _;

/// `webhook-signature`: over the id, the time of sending (seconds since 1970) and the body.
pub fn standard(secret: &Secret, id: &str, timestamp: i64, body: &str) -> Option<String> {
    let signed = digest(secret, &[id, ".", &timestamp.to_string(), ".", body])?;
    Some(format!("v1,{}", STANDARD.encode(signed)))
}

/// `X-Hub-Signature-256`: over the body alone.
pub fn hub(secret: &Secret, body: &str) -> Option<String> {
    let signed = digest(secret, &[body])?;
    Some(signed.iter().fold(String::from("sha256="), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

fn digest(secret: &Secret, parts: &[&str]) -> Option<Vec<u8>> {
    // A key of HMAC may have any length; this never fails.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.key()).ok()?;
    parts.iter().for_each(|part| mac.update(part.as_bytes()));
    Some(mac.finalize().into_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vector_of_rfc_4231_comes_out() {
        // Test case 2: key "Jefe".
        let secret = Secret::from(b"Jefe".as_slice());
        assert_eq!(
            hub(&secret, "what do ya want for nothing?").unwrap(),
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn the_vector_of_standard_webhooks_comes_out() {
        // From the specification's own libraries.
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let secret = Secret::from(key.as_slice());
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        assert_eq!(
            standard(&secret, id, 1_614_265_330, r#"{"test": 2432232314}"#).unwrap(),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }
}
