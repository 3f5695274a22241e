//! Whether GitHub sent it: HMAC-SHA256 of the raw body, compared in constant time.

use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

/// A SHA-256 in bytes.
const LENGTH: usize = 32;

/// What the header `X-Hub-Signature-256` says. Older kinds of signatures (`sha1=`) are none.
pub(super) fn parse(header: &str) -> Option<[u8; LENGTH]> {
    let hex = header.strip_prefix("sha256=")?;
    if hex.len() != 2 * LENGTH || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; LENGTH];
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// Is this the signature of these bytes?
pub(super) fn verify(secret: &SecretString, body: &[u8], signature: &[u8; LENGTH]) -> bool {
    // A key of any length is taken.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else {
        return false;
    };
    mac.update(body);
    mac.verify_slice(signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// GitHub's documented example.
    const SECRET: &str = "It's a Secret to Everybody";
    const SIGNATURE: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn good(header: &str, body: &[u8], secret: &str) -> bool {
        parse(header).is_some_and(|signature| verify(&secret.into(), body, &signature))
    }

    #[test]
    fn contract_11_githubs_own_example_is_taken_and_nothing_near_it() {
        assert!(good(SIGNATURE, b"Hello, World!", SECRET));
        assert!(!good(SIGNATURE, b"Hello, World?", SECRET), "another body");
        assert!(!good(SIGNATURE, b"Hello, World!", "another secret"));
        assert!(!good(&SIGNATURE.replace("757", "758"), b"Hello, World!", SECRET));
        let digits = SIGNATURE.trim_start_matches("sha256=");
        for header in [
            digits.to_owned(),
            format!("sha1={digits}"),
            format!("sha1={}", &digits[..40]),
            format!("sha256={}", &digits[..62]),
            format!("sha256={digits}00"),
            format!("sha256={}", digits.replace('7', "g")),
            format!("sha256=+{}", &digits[1..]),
            format!("sha256={}ü", &digits[2..]),
            String::new(),
        ] {
            assert!(!good(&header, b"Hello, World!", SECRET), "{header}");
        }
    }
}
