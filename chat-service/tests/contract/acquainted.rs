//! Who knows whom.

use super::*;

pub async fn those_who_share_a_conversation_know_each_other_and_are_found_alone(store: Store) {
    let named = |name: &str| format!("known-{name}");
    let (me, bob, eve) = (named("me"), named("bob"), named("eve"));
    let mut room = vec![me.clone()];
    room.extend((0..600).map(|number| named(&format!("many-{number}"))));
    let room: Vec<&str> = room.iter().map(String::as_str).collect();
    store.append(&group(ConversationId::generate(), &room)).await.unwrap();
    store.append(&group(ConversationId::generate(), &[&me, &bob])).await.unwrap();
    store.append(&group(ConversationId::generate(), &[&eve, &bob])).await.unwrap();
    let among = [&bob, &eve, &named("many-599"), "nobody-at-all"].map(name);
    let known = |of: &str, among: Vec<UserName>| {
        let (store, of) = (Arc::clone(&store), user(of));
        async move {
            let known = store.acquainted(&of, &among).await.unwrap();
            known.into_iter().map(|id| id.to_string()).collect::<BTreeSet<_>>()
        }
    };
    let expected = [bob.clone(), named("many-599")].into();
    assert_eq!(known(&me, among.to_vec()).await, expected);
    assert_eq!(known(&eve, among.to_vec()).await, [bob.clone(), eve.clone()].into());
    assert_eq!(known("nobody-at-all", among.to_vec()).await, BTreeSet::new());
    assert_eq!(known(&me, Vec::new()).await, BTreeSet::new());

    let row =
        |id: &str| UserRow { id: user(id), name: format!("Name of {id}"), avatar: String::new() };
    store.upsert_users(&[row(&bob), row(&eve)], 1).await.unwrap();
    for prefix in ["known-", "name of KNOWN-"] {
        let found = store.search_acquainted(&user(&me), prefix, 10).await.unwrap();
        assert_eq!(found, [row(&bob)], "eve is found by everybody, and not by me: {prefix}");
    }
    assert_eq!(store.search_acquainted(&user(&me), "known-e", 10).await.unwrap(), []);
}
