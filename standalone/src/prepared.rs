//! What `tidings` makes of its configuration before it takes a port or opens a database: the whole of
//! `check-config`, and the beginning of every start.

use anyhow::Result;
use chat_service::push::PreparedPush;
use gateway::Login;
use gateway::tenants::{DevSigners, TenantConfig, TenantList};
use platform::config::{Mistakes, Source};
use platform::listen;
use platform::monitor::PreparedMonitor;
use platform::telemetry::PreparedTelemetry;
use platform::token::{AuthConfig, Signer, Verifier};

use crate::config::TidingsConfig;
use crate::data_folder::{self, DataFolder};

/// A configuration without mistakes, and what is made of it.
#[derive(Debug)]
pub struct Prepared {
    /// The rest of it.
    pub config: TidingsConfig,
    /// Checks tokens.
    pub verifier: Verifier,
    /// Signs them; none where that is done elsewhere.
    pub signer: Option<Signer>,
    /// The tenants besides the one of the section `auth`.
    pub tenants: TenantList,
    /// Makes their development tokens, where they are on.
    pub dev_signers: DevSigners,
    /// How users of the chat page sign in.
    pub login: Login,
    /// What devices are told that are not connected.
    pub push: PreparedPush,
    /// Logs and traces.
    pub telemetry: PreparedTelemetry,
    /// What the process says of itself.
    pub monitor: PreparedMonitor,
}

/// For a start: the data folder is held from here on.
pub fn for_serving(
    source: &Source,
    dev_tokens: Option<bool>,
    complete: impl FnOnce(TidingsConfig) -> TidingsConfig,
) -> Result<(DataFolder, Prepared)> {
    let prepare = |config: TidingsConfig, mistakes: &mut Mistakes| {
        let config = complete(config);
        // Nothing is made on the disk for a configuration that is known to be wrong.
        let data = if mistakes.is_empty() {
            mistakes.keep(DataFolder::open(&config.data))
        } else {
            mistakes.keep(data_folder::look(&config.data));
            None
        };
        let auth = match &data {
            Some(data) => config.auth_for_serving(data),
            None => config.auth_for_checking(),
        };
        data.zip(Prepared::of(config, &auth, dev_tokens, mistakes))
    };
    Ok(platform::config::prepare(source, prepare)?)
}

/// For `check-config`, which also runs beside a server: it makes nothing and holds nothing.
pub fn for_checking(
    source: &Source,
    dev_tokens: Option<bool>,
    complete: impl FnOnce(TidingsConfig) -> TidingsConfig,
) -> Result<()> {
    let prepare = |config: TidingsConfig, mistakes: &mut Mistakes| {
        let config = complete(config);
        mistakes.keep(data_folder::look(&config.data));
        let auth = config.auth_for_checking();
        Prepared::of(config, &auth, dev_tokens, mistakes)
    };
    platform::config::prepare(source, prepare)?;
    Ok(())
}

impl Prepared {
    fn of(
        config: TidingsConfig,
        auth: &AuthConfig,
        dev_tokens: Option<bool>,
        mistakes: &mut Mistakes,
    ) -> Option<Self> {
        mistakes.keep(listen::check("listen", &config.listen));
        mistakes.keep(listen::check("management_listen", &config.management_listen));
        mistakes.keep(config.events.patterns());
        mistakes.keep(config.webhooks.check());
        let tenants = mistakes.keep_all(TenantList::new(&config.tenants));
        let keys = TenantConfig::keys(&config.tenants);
        let verifier = mistakes.keep_all(Verifier::prepare(auth, &keys));
        let dev_signers = tenants.as_ref().map(TenantList::dev_signers).transpose();
        let dev_signers = mistakes.keep_all(dev_signers).flatten();
        let signer = Signer::from_config(auth);
        let signer = if dev_tokens.unwrap_or(auth.dev_tokens) {
            mistakes.keep(signer.map(Some))
        } else {
            Some(signer.ok())
        };
        let login = mistakes.keep(Login::new(&config.login));
        let push = mistakes.keep_all(config.push.prepare());
        let telemetry = mistakes.keep_all(config.telemetry.prepare());
        let monitor = mistakes.keep_all(config.monitor.prepare());
        Some(Self {
            verifier: verifier?,
            signer: signer?,
            tenants: tenants?,
            dev_signers: dev_signers?,
            login: login?,
            push: push?,
            telemetry: telemetry?,
            monitor: monitor?,
            config,
        })
    }
}
