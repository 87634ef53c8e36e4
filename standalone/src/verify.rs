//! `tidings verify`: compares what is stored of messages with what their logs say, also while a server is running.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use chat_service::store::sqlite::SqliteStore;
use chat_service::verify;
use clap::Args;
use proto::id::{ConversationId, ConversationKey, TenantId};
use uuid::Uuid;

use crate::data_folder::database_file;

#[derive(Debug, Args)]
pub struct VerifyArguments {
    /// This conversation alone.
    #[arg(long, value_name = "ID")]
    conversation: Option<Uuid>,
    /// The tenant of the conversation.
    #[arg(long, default_value = "default")]
    tenant: String,
    /// Stores what the log says where something else is stored.
    #[arg(long)]
    mend: bool,
}

/// Compares; what to tell the user, as an error where something is left that differs.
pub async fn verify(data: &Path, arguments: VerifyArguments) -> anyhow::Result<String> {
    let file = database_file(data);
    ensure!(file.exists(), "{} is not there", file.display());
    let tenant =
        TenantId::parse(&arguments.tenant).map_err(|error| anyhow::anyhow!("--tenant: {error}"))?;
    let key = |id| ConversationKey::new(tenant, ConversationId(id));
    let store = SqliteStore::open(&file).await.with_context(|| file.display().to_string())?;
    let only = arguments.conversation.map(key);
    let say = |mismatch: &verify::Mismatch| println!("{mismatch}");
    let totals = verify::walk(&store, only, arguments.mend, say).await;
    store.close().await;
    let totals = totals.with_context(|| file.display().to_string())?;
    if totals.mismatches > totals.mended {
        bail!("{totals}; `--mend` stores what the logs say");
    }
    Ok(totals.to_string())
}
