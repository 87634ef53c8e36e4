//! Who is told about a user's presence.

use chat_service::store::contacts::{ContactsBound, ContactsOf};

use super::*;

fn of(user_id: &str, after: &str) -> ContactsOf {
    ContactsOf { user_id: user(user_id), after: after.to_owned() }
}

/// All pages of one user: the contacts in the order in which they came, and how many large groups.
async fn walk(store: &Store, user_id: &str, bound: ContactsBound) -> (Vec<String>, Vec<u32>) {
    let (mut names, mut large, mut after) = (Vec::new(), Vec::new(), String::new());
    loop {
        let mut pages = store.contacts(&[of(user_id, &after)], bound).await.unwrap();
        let page = pages.remove(0);
        assert!(page.user_ids.len() <= bound.limit as usize);
        names.extend(page.user_ids.iter().map(ToString::to_string));
        if page.large > 0 {
            large.push(page.large);
        }
        match page.next {
            Some(next) => after = next,
            None => return (names, large),
        }
    }
}

/// A number that no other test uses in the same database.
fn named(text: &str, number: usize) -> String {
    format!("contact-{text}-{number:03}")
}

pub async fn a_walk_of_contacts_names_each_once_whatever_the_page_and_partners_first(store: Store) {
    let me = "contact-me";
    let many: Vec<String> = (0..300).map(|number| named("many", number)).collect();
    let group_of = |names: &[String]| {
        let mut members = vec![me];
        members.extend(names.iter().map(String::as_str));
        group(ConversationId::generate(), &members)
    };
    // The case: a group of 301 and a direct partner whose name comes last; some are met twice.
    store.append(&group_of(&many)).await.unwrap();
    store.append(&group_of(&many[200..])).await.unwrap();
    let partners = [named("zz-partner", 1), many[299].clone()];
    for partner in &partners {
        store.append(&group(ConversationId::generate(), &[me, partner])).await.unwrap();
    }
    let mut expected = vec![partners[1].clone(), partners[0].clone()];
    expected.extend(many[..299].iter().cloned());
    for limit in [1_000, 301, 300, 150, 7, 1] {
        let bound = ContactsBound { limit, group_members: 512 };
        let (names, large) = walk(&store, me, bound).await;
        assert_eq!(names, expected, "by pages of {limit}");
        assert_eq!(large, Vec::<u32>::new());
    }
    let asked = [of(&many[0], ""), of("contact-of-nobody", ""), of(me, "")];
    let bound = ContactsBound { limit: 2, group_members: 512 };
    let pages = store.contacts(&asked, bound).await.unwrap();
    let counts: Vec<_> =
        pages.iter().map(|page| (page.user_ids.len(), page.next.is_some())).collect();
    assert_eq!(counts, [(2, true), (0, false), (2, true)], "each user has a page of its own");
}

pub async fn members_of_large_groups_are_counted_and_not_named(store: Store) {
    let (me, partner) = ("contact-busy", "contact-yy-partner");
    let small: Vec<String> = (0..9).map(|number| named("small", number)).collect();
    let large: Vec<String> = (0..10).map(|number| named("large", number)).collect();
    for members in [&small, &large, &large] {
        let mut members: Vec<&str> = members.iter().map(String::as_str).collect();
        members.push(me);
        store.append(&group(ConversationId::generate(), &members)).await.unwrap();
    }
    for friend in [partner, &large[3]] {
        store.append(&group(ConversationId::generate(), &[me, friend])).await.unwrap();
    }
    let mut expected = vec![large[3].clone(), partner.to_owned()];
    expected.extend(small.iter().cloned());
    for limit in [100, 11, 4, 2, 1] {
        let (names, large) = walk(&store, me, ContactsBound { limit, group_members: 10 }).await;
        assert_eq!(names, expected, "by pages of {limit}");
        assert_eq!(large, [2], "counted once in a walk by pages of {limit}");
    }
}
