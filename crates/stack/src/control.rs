//! The `control`, `admin` and `queue` sections.

use std::net::SocketAddr;
use std::time::Duration;

use crate::decode::{At, Field, Fields};
use crate::diagnostic::Sink;
use crate::names::is_env_name;
use crate::types::{Admin, Control, Queue, defaults};

/// The admin section and where its listener stands in the file, if it does.
pub(crate) struct AdminDraft {
    pub(crate) listen: Option<At<SocketAddr>>,
    pub(crate) admin: Admin,
}

/// Reads `control`.
pub(crate) fn control(field: &Field<'_>, sink: &mut Sink) -> Control {
    let range = Duration::from_millis(100)..=Duration::from_secs(3600);
    let period = Fields::open(field, &["sync_period"], sink)
        .and_then(|fields| fields.optional("sync_period"))
        .and_then(|field| field.duration(range, sink));
    Control { sync_period: period.unwrap_or(defaults::SYNC_PERIOD) }
}

/// Reads `admin`. Whoever reaches the admin API can start programs, so only loopback goes without a token.
pub(crate) fn admin(field: &Field<'_>, sink: &mut Sink) -> Option<AdminDraft> {
    let fields = Fields::open(field, &["listen", "token_env"], sink)?;
    let listen = fields
        .optional("listen")
        .and_then(|field| Some(At { at: field.at(), value: field.socket_addr(sink)? }));
    let hint = "such as `PLIMSOLL_ADMIN_TOKEN`; the token itself never stands here";
    let token_env = env_name(&fields, "token_env", hint, sink);
    if let Some(listen) = listen
        && !listen.value.ip().is_loopback()
        && fields.optional("token_env").is_none()
    {
        let what = format!("the admin API on `{}` can be reached from outside without a token", listen.value);
        let hint = "add `token_env: PLIMSOLL_ADMIN_TOKEN`, or listen on `127.0.0.1`";
        sink.hint(listen.at, what, hint);
    }
    let address = listen.map_or(defaults::ADMIN_LISTEN, |listen| listen.value);
    Some(AdminDraft { listen, admin: Admin { listen: address, token_env } })
}

/// Reads `queue`.
pub(crate) fn queue(field: &Field<'_>, sink: &mut Sink) -> Queue {
    let hint = "such as `DATABASE_URL`; the address itself, which may hold a password, never stands here";
    let url_env =
        Fields::open(field, &["url_env"], sink).and_then(|fields| env_name(&fields, "url_env", hint, sink));
    Queue { url_env }
}

/// The name of an environment variable with a secret in it.
fn env_name(fields: &Fields<'_>, key: &'static str, hint: &str, sink: &mut Sink) -> Option<String> {
    let field = fields.optional(key)?;
    // Never repeated in the message: it may be the secret itself.
    let name = field.any_text(sink).unwrap_or_default();
    if !is_env_name(name) {
        sink.hint(field.at(), format!("`{key}` must be the name of an environment variable"), hint);
        return None;
    }
    Some(name.to_owned())
}
