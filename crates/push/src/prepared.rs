//! Makes the providers that the configuration turns on. Must not send anything: it reads files and connects to nothing.

use std::sync::Arc;

use platform::outgoing_http::OutgoingConfig;

use crate::config::{Asking, ProviderConfig, ProviderError};
use crate::{Apns, Fcm, Providers, PushProvider, WebPush, Webhook};

impl ProviderConfig {
    /// The providers that are on. Reads files and connects to nothing.
    pub fn prepare(
        &self,
        http: &OutgoingConfig,
        in_flight: usize,
    ) -> Result<Prepared, Vec<ProviderError>> {
        let asking = Asking { in_flight: in_flight.max(1), http };
        let mut wrong = Vec::new();
        let mut providers: Vec<Arc<dyn PushProvider>> = Vec::new();
        let mut web_push_key = None;
        match WebPush::prepare(&self.web_push, &asking) {
            Ok(Some(provider)) => {
                web_push_key = Some(provider.public_key().to_owned());
                providers.push(Arc::new(provider));
            }
            Ok(None) => {}
            Err(error) => wrong.push(error),
        }
        let mut keep = |made: Result<Option<Arc<dyn PushProvider>>, ProviderError>| match made {
            Ok(made) => providers.extend(made),
            Err(error) => wrong.push(error),
        };
        keep(Fcm::prepare(&self.fcm, &asking).map(shared));
        keep(Apns::prepare(&self.apns, &asking).map(shared));
        keep(Webhook::prepare(&self.webhook, &asking).map(shared));
        if wrong.is_empty() {
            Ok(Prepared { providers: Providers::new(providers), web_push_key })
        } else {
            Err(wrong)
        }
    }
}

fn shared<P: PushProvider>(made: Option<P>) -> Option<Arc<dyn PushProvider>> {
    made.map(|provider| Arc::new(provider) as Arc<dyn PushProvider>)
}

/// The providers, and what clients need to know of them.
#[derive(Debug, Clone, Default)]
pub struct Prepared {
    /// Those that are on.
    pub providers: Providers,
    /// The public half of the VAPID key, where Web Push is on.
    pub web_push_key: Option<String>,
}
