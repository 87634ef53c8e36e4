//! What every process needs: configuration, telemetry, shutdown, health, tokens, gRPC channels.
//!
//! Must not know any message, user or conversation, and keeps no process-global state beyond what
//! the log subscriber and the TLS library demand, and a count of panics: three services share one
//! process.

#![cfg_attr(
    not(test),
    warn(clippy::cast_possible_truncation, clippy::cast_possible_wrap, clippy::cast_sign_loss)
)]

pub mod address;
pub mod admin;
pub mod backend;
pub mod backoff;
pub mod config;
pub mod files;
pub mod grpc;
pub mod listen;
pub mod metrics;
pub mod monitor;
pub mod number;
pub mod outgoing_http;
pub mod rate_limit;
pub mod readiness;
pub mod reload;
pub mod secret;
pub mod service;
pub mod shares;
pub mod shutdown;
pub mod telemetry;
pub mod token;
pub mod trace;
pub mod usage;

/// Chooses the process's TLS provider. Call it first in every `main`; repeating it does nothing.
pub fn install_crypto_provider() {
    // An error means that one is installed already, which is what is wanted.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
