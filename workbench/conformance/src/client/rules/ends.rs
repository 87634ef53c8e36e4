//! What a client does after each close code.

use std::time::Duration;

use super::ClientRule;
use crate::checked::Checked;
use crate::client::stage::Stage;
use crate::rule::rule;

pub(super) const RULES: &[ClientRule] = &[
    rule!("ends.1001", "close-codes", reconnects::<1001>, "After 1001 it reconnects."),
    rule!("ends.1006", "close-codes", broke, "After a connection that broke it reconnects."),
    rule!("ends.1008", "close-codes", reconnects::<1008>, "After 1008 it reconnects."),
    rule!("ends.1011", "close-codes", reconnects::<1011>, "After 1011 it reconnects and syncs."),
    rule!("ends.1012", "close-codes", reconnects::<1012>, "After 1012 it reconnects and syncs."),
    rule!("ends.1013", "close-codes", reconnects::<1013>, "After 1013 it reconnects and syncs."),
    rule!("ends.4008", "close-codes", reconnects::<4008>, "After 4008 it reconnects and syncs."),
    rule!("ends.4009", "close-codes", reconnects::<4009>, "After 4009 it reconnects and syncs."),
    rule!("ends.4029", "close-codes", reconnects::<4029>, "After 4029 it reconnects, later."),
    rule!(
        "ends.4999",
        "close-codes",
        reconnects::<4999>,
        "After a code that it does not know it reconnects."
    ),
    rule!("ends.4000", "close-codes", stays_away::<4000>, "After 4000 it stays disconnected."),
    rule!(
        "ends.4001",
        "close-codes",
        stays_away::<4001>,
        "After 4001 it does not come again with the same token."
    ),
    rule!("ends.4003", "close-codes", stays_away::<4003>, "After 4003 it stays disconnected."),
];

/// Longer than the longest pause that the protocol asks for between attempts.
const AWAY: Duration = Duration::from_secs(25);

async fn reconnects<const CODE: u16>(stage: &mut Stage) -> Checked {
    stage.begin().await?.close(CODE, "as the script says").await;
    stage.served(&[]).await.map(drop)
}

async fn broke(stage: &mut Stage) -> Checked {
    stage.begin().await?.cut();
    stage.served(&[]).await.map(drop)
}

async fn stays_away<const CODE: u16>(stage: &mut Stage) -> Checked {
    stage.begin().await?.close(CODE, "as the script says").await;
    stage.stays_away(AWAY).await
}
