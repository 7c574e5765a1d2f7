//! Argon2id: 64 MiB, 3 passes, 2 lanes, 16 bytes of salt, 32 bytes of hash.

use argon2::password_hash::phc;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};

/// Most memory a configured hash may ask for, KiB; a login must not take the server down.
const MAX_MEMORY_KIB: u32 = 256 * 1024;

/// A checked hash in PHC form (`$argon2id$v=19$m=65536,t=3,p=2$…`).
#[derive(Clone)]
pub struct PasswordHash(phc::PasswordHash);

// === impl PasswordHash ===

impl PasswordHash {
    /// Reads and checks a hash.
    ///
    /// # Errors
    /// What is wrong with it, without quoting it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let hash = phc::PasswordHash::new(text).map_err(|_| "is not a hash in PHC form".to_owned())?;
        if hash.algorithm.as_str() != "argon2id" {
            return Err("is not an argon2id hash".to_owned());
        }
        let params = Params::try_from(&hash).map_err(|_| "has unusable parameters".to_owned())?;
        if params.m_cost() > MAX_MEMORY_KIB {
            return Err(format!("asks for more than {MAX_MEMORY_KIB} KiB of memory"));
        }
        Ok(Self(hash))
    }

    /// Whether this is the password. Takes about a tenth of a second of one core: call it off the async threads.
    #[must_use]
    pub fn verify(&self, password: &[u8]) -> bool {
        Argon2::default().verify_password(password, &self.0).is_ok()
    }
}

/// Hashes a password under a fresh salt.
///
/// # Errors
/// When the parameters are refused or there is no randomness.
pub fn hash_password(password: &[u8]) -> Result<String, String> {
    let params = Params::new(65_536, 3, 2, Some(32)).map_err(|error| error.to_string())?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password(password).map(|hash| hash.to_string()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w26_only_the_password_fits_its_hash() {
        let text = hash_password(b"correct horse").unwrap();
        assert!(text.starts_with("$argon2id$v=19$m=65536,t=3,p=2$"), "{text}");
        let hash = PasswordHash::parse(&text).unwrap();
        assert!(hash.verify(b"correct horse"));
        assert!(!hash.verify(b"correct horse "));
        assert!(!hash.verify(b""));
    }

    #[test]
    fn unsafe_hashes_are_refused() {
        assert!(PasswordHash::parse("plain").is_err());
        assert!(
            PasswordHash::parse("$argon2i$v=19$m=64,t=3,p=2$c29tZXNhbHRzb21l$aGFzaGhhc2hoYXNoaGFzaA")
                .is_err()
        );
        let greedy = "$argon2id$v=19$m=4194304,t=3,p=2$c29tZXNhbHRzb21l$aGFzaGhhc2hoYXNoaGFzaA";
        assert!(PasswordHash::parse(greedy).is_err());
    }
}
