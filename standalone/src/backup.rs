//! `tidings backup` and `tidings restored`: a copy of the messages, and what has to be said after one was put back.
//!
//! Must not touch the signing secret: a reader of a backup could sign tokens with it.

use std::path::Path;

use anyhow::{Context, ensure};
use chat_service::store::sqlite::SqliteStore;
use chat_service::store::sqlite::backup;

use crate::data_folder::{DataFolder, database_file};

/// Copies the messages of a data folder; what to tell the user.
pub async fn back_up(data: &Path, to: &Path) -> anyhow::Result<String> {
    backup::copy(&database_file(data), to).await?;
    Ok(format!("the messages of {} are in {}", data.display(), to.display()))
}

/// Begins a new epoch in a data folder whose file of messages was replaced; what to tell the user.
pub async fn restored(data: &Path) -> anyhow::Result<String> {
    // A folder that is made here would hide that another one is meant.
    let file = database_file(data);
    ensure!(file.exists(), "{} is not there; put the copy there first", file.display());
    let folder = DataFolder::open(data)?;
    let store = SqliteStore::open(&file).await.with_context(|| file.display().to_string())?;
    let epoch = store.begin_epoch().await.with_context(|| file.display().to_string())?;
    store.close().await;
    folder.close();
    Ok(format!("{} has the new epoch {epoch}: each device syncs anew", file.display()))
}
