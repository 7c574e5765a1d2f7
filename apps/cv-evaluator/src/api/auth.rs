//! Who is calling: API keys for owners, tokens for the administrator. Headers such as `X-Auth-Request-User`, which
//! any client can send, mean nothing here.

use std::str::FromStr;
use std::sync::Arc;

use app_kit::client::ClientAddr;
use app_kit::{ApiError, Code};
use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use http::request::Parts;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::Shared;

/// Owner of everything when no keys are configured.
pub(super) const ANONYMOUS: &str = "anonymous";

/// One configured key: whose it is, and its digest; the key itself is nowhere.
#[derive(Debug, Clone)]
pub struct KeyDigest {
    owner: String,
    sha256: [u8; 32],
}

/// All configured keys.
#[derive(Debug, Clone, Default)]
pub struct ApiKeys(Arc<[KeyDigest]>);

/// The caller, proved by a key; `anonymous` when no keys are configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner(String);

/// The administrator, proved by a token.
#[derive(Debug, Clone)]
pub struct Administrator(pub String);

/// Whether an owner can have this name.
pub(super) fn is_owner_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte))
}

// === impl KeyDigest ===

impl FromStr for KeyDigest {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (owner, digest) = text.split_once(':').ok_or("no colon")?;
        if !is_owner_name(owner) || owner == ANONYMOUS {
            return Err("not an owner's name");
        }
        let mut sha256 = [0; 32];
        hex::decode_to_slice(digest, &mut sha256).map_err(|_| "not a SHA-256")?;
        Ok(Self { owner: owner.to_owned(), sha256 })
    }
}

// === impl ApiKeys ===

impl ApiKeys {
    /// These keys and no others.
    #[must_use]
    pub fn new(keys: Vec<KeyDigest>) -> Self {
        Self(keys.into())
    }

    /// Whether nobody has a key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whose key this is. Takes the same time whichever it is, and whether it is one.
    fn owner(&self, key: &str) -> Option<&str> {
        let digest: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        let mut found = None;
        for known in self.0.iter() {
            if bool::from(known.sha256.ct_eq(&digest)) {
                found = Some(known.owner.as_str());
            }
        }
        found
    }
}

// === impl Owner ===

impl Owner {
    /// The owner's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether nobody was asked for a key.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.0 == ANONYMOUS
    }
}

impl FromRequestParts<Shared> for Owner {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, ApiError> {
        let keys = &app.settings.api_keys;
        if keys.is_empty() {
            return Ok(Self(ANONYMOUS.to_owned()));
        }
        // A client may hold an administrator's token beside its key, and there is but one Authorization header.
        let given =
            [bearer(&parts.headers), parts.headers.get("x-api-key").and_then(|value| value.to_str().ok())];
        match given.into_iter().flatten().find_map(|key| keys.owner(key)) {
            Some(owner) => Ok(Self(owner.to_owned())),
            None => Err(unauthenticated("give an API key: `Authorization: Bearer KEY` or `X-API-Key: KEY`")),
        }
    }
}

// === impl Administrator ===

impl FromRequestParts<Shared> for Administrator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, ApiError> {
        let claims = app
            .tokens
            .as_ref()
            .zip(bearer(&parts.headers))
            .and_then(|(tokens, token)| tokens.check(token))
            .ok_or_else(|| {
                unauthenticated("give a token from POST /admin/token: `Authorization: Bearer TOKEN`")
            })?;
        Ok(Self(claims.sub))
    }
}

/// The client's address, put there by the kit's layer.
pub struct Client(pub ClientAddr);

impl FromRequestParts<Shared> for Client {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, ApiError> {
        let client = parts.extensions.get::<ClientAddr>().copied();
        client.map(Self).ok_or_else(|| ApiError::internal("no client address on the request"))
    }
}

/// 401 with the challenge that RFC 9110 asks for.
pub(super) fn unauthenticated(message: &'static str) -> ApiError {
    ApiError::new(Code::UNAUTHENTICATED, message)
        .header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"cv-evaluator\""))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
