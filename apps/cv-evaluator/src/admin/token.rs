//! Tokens of the administrator: JWT, HS256, fixed issuer, with an end.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use signature::{Signer, Verifier};

/// Issuer of our tokens; those of others are refused.
const ISSUER: &str = "ai-cv-evaluator";

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The administrator's name.
    pub sub: String,
    /// Who made the token.
    pub iss: String,
    /// When, seconds since the epoch.
    pub iat: u64,
    /// Until when, seconds since the epoch.
    pub exp: u64,
}

/// Makes and checks tokens.
#[derive(Clone)]
pub struct TokenKeys {
    encoding: EncodingKey,
    decoding: DecodingKey,
    ttl: Duration,
}

impl std::fmt::Debug for TokenKeys {
    /// Without the keys.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("TokenKeys").field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

/// HMAC-SHA-256 under one key.
struct Hs256(Hmac<Sha256>);

// === impl TokenKeys ===

impl TokenKeys {
    /// Keys of this secret for tokens of this life.
    #[must_use]
    pub fn new(secret: &[u8], ttl: Duration) -> Self {
        // Fails when it is installed already, which is what we want.
        let _ = PROVIDER.install_default();
        Self { encoding: EncodingKey::from_secret(secret), decoding: DecodingKey::from_secret(secret), ttl }
    }

    /// A token for the administrator, and what it says.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn issue(&self, username: &str) -> Result<(String, Claims), Error> {
        self.issue_at(username, SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs()))
    }

    fn issue_at(&self, username: &str, iat: u64) -> Result<(String, Claims), Error> {
        let claims =
            Claims { sub: username.to_owned(), iss: ISSUER.to_owned(), iat, exp: iat + self.ttl.as_secs() };
        Ok((jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)?, claims))
    }

    /// What the token says, if it is ours, unaltered and not over.
    #[must_use]
    pub fn check(&self, token: &str) -> Option<Claims> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        jsonwebtoken::decode::<Claims>(token, &self.decoding, &validation).ok().map(|data| data.claims)
    }
}

// === impl Hs256 ===

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| match algorithm {
        Algorithm::HS256 => Ok(Box::new(Hs256::new(key.as_bytes())?)),
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    },
    verifier_factory: |algorithm, key| match algorithm {
        Algorithm::HS256 => Ok(Box::new(Hs256::new(key.try_get_as_bytes()?)?)),
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    },
    key_utils: KeyUtils::new_unimplemented(),
};

impl Hs256 {
    fn new(secret: &[u8]) -> Result<Self, Error> {
        Hmac::new_from_slice(secret).map(Self).map_err(|_| ErrorKind::InvalidKeyFormat.into())
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(self.0.clone().chain_update(message).finalize().into_bytes().to_vec())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        // Compares in constant time.
        self.0.clone().chain_update(message).verify_slice(signature).map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

    #[test]
    fn w26_a_token_is_good_for_its_signer_only() {
        let keys = TokenKeys::new(SECRET, Duration::from_secs(60));
        let (token, claims) = keys.issue("ad\"min").unwrap();
        assert_eq!(keys.check(&token), Some(claims));
        let others = TokenKeys::new(b"another secret, also of 32 bytes.", Duration::from_secs(60));
        assert_eq!(others.check(&token), None);
        assert_eq!(keys.check(&token[..token.len() - 2]), None);
        assert_eq!(keys.check(""), None);
    }

    #[test]
    fn a_token_without_signature_is_refused() {
        let keys = TokenKeys::new(SECRET, Duration::from_secs(60));
        // {"alg":"none"} . {"sub":"admin","iss":"ai-cv-evaluator","iat":0,"exp":9999999999}
        let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiIsImlzcyI6ImFpLWN2LWV2YWx1YXRvciIsImlhdCI6MCwiZXhwIjo5OTk5OTk5OTk5fQ.";
        assert_eq!(keys.check(unsigned), None);
    }

    #[test]
    fn a_token_ends() {
        let keys = TokenKeys::new(SECRET, Duration::from_secs(60));
        let (_, now) = keys.issue("admin").unwrap();
        let (token, _) = keys.issue_at("admin", now.iat - 70).unwrap();
        assert_eq!(keys.check(&token), None);
    }
}
