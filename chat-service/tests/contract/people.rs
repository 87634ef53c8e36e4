//! Users by their names, and the epoch that all cursors belong to.

use chat_service::domain::entry::UserRow;
use proto::id::{TenantId, UserId};

use super::{Store, user};

pub async fn users_are_found_by_the_beginning_of_id_or_name(store: Store) {
    let rows = [("zed%1", "Zoë"), ("zedx1", "Other"), ("zora", "zed by name")];
    let rows: Vec<_> = rows
        .iter()
        .filter_map(|(id, name)| {
            Some(UserRow {
                id: UserId::parse_qualified(id).ok()?,
                name: (*name).to_owned(),
                avatar: String::new(),
            })
        })
        .collect();
    store.upsert_users(&rows, 1).await.unwrap();
    let found = async |prefix: &str| -> Vec<String> {
        store
            .search_users(TenantId::DEFAULT, prefix, 10)
            .await
            .unwrap()
            .iter()
            .map(|row| row.id.to_string())
            .collect()
    };
    assert_eq!(found("ZED").await, ["zedx1", "zora"]);
    assert_eq!(found("zed%").await, Vec::<String>::new(), "wildcards are plain letters");
    assert_eq!(store.users(&[user("zora"), user("nobody")]).await.unwrap().len(), 1);
}

pub async fn names_are_found_whatever_their_case_and_composition(store: Store) {
    let names =
        [("u1", "Éloïse"), ("u2", "Анна"), ("u3", "ΣΟΦΙΑ"), ("u4", "Müller"), ("u5", "Straße")];
    let row = |id: &str, name: &str| UserRow {
        id: user(id),
        name: name.to_owned(),
        avatar: String::new(),
    };
    let rows: Vec<_> = names.iter().map(|(id, name)| row(id, name)).collect();
    store.upsert_users(&rows, 1).await.unwrap();
    store.upsert_users(&[row("u6", &"long ".repeat(1_000))], 1).await.unwrap();
    for (prefix, id) in [
        ("éloïse", "u1"),
        ("ÉL", "u1"),
        ("e\u{301}lo", "u1"),
        ("анна", "u2"),
        ("σοφ", "u3"),
        ("mu\u{308}ller", "u4"),
        ("MÜ", "u4"),
        ("STRASSE", "u5"),
        ("straß", "u5"),
        ("LONG long", "u6"),
    ] {
        let found = store.search_users(TenantId::DEFAULT, prefix, 10).await.unwrap();
        let found: Vec<_> = found.iter().map(|row| row.id.to_string()).collect();
        assert_eq!(found, [id], "{prefix}");
    }
    store.upsert_users(&[row("u2", "Ольга")], 2).await.unwrap();
    assert_eq!(
        store.search_users(TenantId::DEFAULT, "анна", 10).await.unwrap().len(),
        0,
        "the new name counts"
    );
}

pub async fn the_epoch_stays(store: Store) {
    let epoch = store.epoch().await.unwrap();
    assert!(epoch.len() >= 32);
    assert_eq!(store.epoch().await.unwrap(), epoch);
}
