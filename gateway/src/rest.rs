//! What every request over REST is read and answered with: its identity, its body, its bounds, errors, and the shapes that
//! operations and questions share.
//!
//! Must not have a path of its own: `operations` and `http` do.

pub(crate) mod act;
pub(crate) mod asking_device;
pub(crate) mod body;
pub(crate) mod conversation;
pub(crate) mod error;
pub(crate) mod held_answer;
mod identity;
pub(crate) mod json_body;
pub(crate) mod own;
pub(crate) mod paging;
mod peer;
pub(crate) mod shapes;
pub(crate) mod words;

use std::ops::Deref;
use std::sync::Arc;

use proto::id::ConversationId;

use crate::admission::Admission;
use crate::identity::Access;
use crate::limits::LimitsConfig;
use crate::memory::Budgets;
use crate::metrics::GatewayMetrics;
pub(crate) use act::Act;
use error::ApiError;
pub(crate) use peer::Peer;

/// What requests are read and answered with; cheap to hand on.
#[derive(Clone)]
pub(crate) struct RestContext(Arc<RestParts>);

/// See [`RestContext`].
pub(crate) struct RestParts {
    pub(crate) access: Arc<Access>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) budgets: Budgets,
    pub(crate) limits: Arc<LimitsConfig>,
    pub(crate) metrics: GatewayMetrics,
}

impl RestContext {
    pub(crate) fn new(parts: RestParts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for RestContext {
    type Target = RestParts;

    fn deref(&self) -> &RestParts {
        &self.0
    }
}

/// A conversation id in a path.
pub(crate) fn conversation_id(text: &str) -> Result<ConversationId, ApiError> {
    ConversationId::parse(text).map_err(|_| ApiError::invalid("a conversation id is a UUID"))
}
