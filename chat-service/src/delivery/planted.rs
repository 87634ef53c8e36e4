//! A planted bug (see [`crate::planted`]): routes of users that are remembered for a while.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;
use proto::common::GatewayRef;
use proto::id::UserId;

use super::locate::{Directory, DirectoryError, Located};

/// How long a route is believed.
const BELIEVED: Duration = Duration::from_secs(5);
/// Most questions whose answers are remembered.
const REMEMBERED: usize = 1_000;

/// A directory that answers a question it was asked lately with what it said then.
pub(crate) struct CachedRoutes<D> {
    inner: D,
    /// By question: when presence was asked, and what it said.
    routes: Mutex<HashMap<Vec<UserId>, (Instant, Located)>>,
}

impl<D> CachedRoutes<D> {
    /// Remembers the answers of `inner`.
    pub(crate) fn new(inner: D) -> Self {
        Self { inner, routes: Mutex::default() }
    }

    fn remembered(&self, users: &[UserId]) -> Option<Located> {
        let routes = self.routes.lock();
        let (asked, located) = routes.get(users)?;
        (asked.elapsed() < BELIEVED).then(|| located.clone())
    }
}

#[async_trait]
impl<D: Directory> Directory for CachedRoutes<D> {
    async fn locate(&self, users: &[UserId], traceparent: &str) -> Result<Located, DirectoryError> {
        if let Some(located) = self.remembered(users) {
            return Ok(located);
        }
        let located = self.inner.locate(users, traceparent).await?;
        let mut routes = self.routes.lock();
        if routes.len() >= REMEMBERED {
            routes.clear();
        }
        routes.insert(users.to_vec(), (Instant::now(), located.clone()));
        Ok(located)
    }

    async fn gateways(&self, traceparent: &str) -> Result<Vec<GatewayRef>, DirectoryError> {
        self.inner.gateways(traceparent).await
    }
}
