//! Fakes of the four providers of pushes, for tests: Web Push, FCM, APNs and a signed webhook.
//!
//! Each checks what the real one would, in its own code: headers, signatures, tokens, sizes. What is wrong is answered as
//! the real one answers it, and noted in [`Fake::problems`], so that a test can ask that nothing was. Must not share code
//! with the product: the same mistake on both sides would find nothing.

mod apns;
mod browser;
mod check;
mod fcm;
mod server;
mod webhook;

pub use apns::ApnsFake;
pub use browser::{Browser, WebPushFake};
pub use fcm::FcmFake;
pub use server::{Canned, Fake, Mode, Received};
pub use webhook::WebhookFake;
