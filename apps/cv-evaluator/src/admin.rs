//! The administrator: a hashed password, compared in constant time, and tokens that expire.

mod password;
mod token;

use std::time::Duration;

pub use password::{PasswordHash, hash_password};
pub use token::{Claims, TokenKeys};

/// Who administrates, and how that is proved.
#[derive(Clone)]
pub struct AdminSettings {
    /// The administrator's name.
    pub username: String,
    /// Hash of the password.
    pub password_hash: PasswordHash,
    /// Signs tokens.
    pub secret: Vec<u8>,
    /// Life of a token.
    pub token_ttl: Duration,
}

impl std::fmt::Debug for AdminSettings {
    /// Without the secrets.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("AdminSettings").field("username", &self.username).finish_non_exhaustive()
    }
}
