//! Tells a request whose body does not come from one that is not answered: the first is the client's to
//! correct (408), the second is ours (503).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use futures_util::{StreamExt, stream};

/// Whether somebody waits for more of a body.
#[derive(Debug, Default)]
pub(super) struct Awaited(Arc<AtomicBool>);

impl Awaited {
    /// True while a reader waits for more.
    pub(super) fn is_awaited(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Watches a body while it is read. What has none stays as it is.
pub(super) fn watch(request: Request) -> (Request, Awaited) {
    let awaited = Awaited::default();
    if request.body().is_end_stream() {
        return (request, awaited);
    }
    let is_awaited = Arc::clone(&awaited.0);
    let request = request.map(|body| {
        let mut data = body.into_data_stream();
        Body::from_stream(stream::poll_fn(move |context| {
            let polled = data.poll_next_unpin(context);
            is_awaited.store(polled.is_pending(), Ordering::Relaxed);
            polled
        }))
    });
    (request, awaited)
}
