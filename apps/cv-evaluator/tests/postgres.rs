//! The same tests as in `it/`, on Postgres.

#[path = "it/main.rs"]
mod it;
