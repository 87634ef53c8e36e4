//! What is revoked, and which tokens devices used.

use std::collections::BTreeMap;

use chat_service::domain::revocation::{Cut, DeviceToken, Revocation, TokenId, What};
use chat_service::store::revoked::{Bounds, Ending, RevokeError};
use proto::id::DeviceId;

use super::{Store, user};

const NOW_MS: u64 = 1_000_000;
const BOUNDS: Bounds = Bounds { per_user: 8, most: 50 };
const TOKENS: usize = 8;

fn device(name: &str) -> DeviceId {
    DeviceId::parse(name).unwrap()
}

fn cut(issued_until_secs: u64) -> Cut {
    Cut { issued_until_secs, until_ms: 10 * NOW_MS }
}

fn all() -> Ending {
    Ending::What(What::All)
}

fn of_device(name: &str) -> Ending {
    Ending::Device { device_id: device(name), is_connected: false }
}

fn token(name: &str, device_id: &str, number: u8) -> DeviceToken {
    DeviceToken {
        user_id: user(name),
        device_id: device(device_id),
        token_id: TokenId([number; 32]),
        issued_secs: u64::from(number),
        until_ms: 5 * NOW_MS,
    }
}

async fn end(
    store: &Store,
    name: &str,
    ending: &Ending,
    issued: u64,
) -> Result<Vec<Revocation>, RevokeError> {
    store.end(&user(name), ending, cut(issued), BOUNDS, NOW_MS).await
}

/// The whole list as a reader of all of it has it.
async fn list(store: &Store) -> BTreeMap<(String, What), Cut> {
    let (list, _) = store.revoked_after(0, 1_000, NOW_MS).await.unwrap();
    list.into_iter().map(|it| ((it.user_id.to_string(), it.what), it.cut)).collect()
}

pub async fn a_reader_that_goes_on_from_a_version_misses_no_revocation(store: Store) {
    assert_eq!(store.revoked_after(0, 10, NOW_MS).await.unwrap(), (Vec::new(), 0));
    let one = end(&store, "ann", &all(), 5).await.unwrap();
    let (read, version) = store.revoked_after(0, 10, NOW_MS).await.unwrap();
    assert_eq!((&read, version > 0), (&one, true));
    assert_eq!(store.revoked_after(version, 10, NOW_MS).await.unwrap(), (Vec::new(), version));
    // Many at once, read in pages of one.
    let writers = (0..8).map(|number| {
        let store = Store::clone(&store);
        async move { end(&store, &format!("user-{number}"), &all(), 5).await.unwrap() }
    });
    let written = futures_util::future::join_all(writers).await;
    let (mut read, mut at) = (Vec::new(), version);
    loop {
        let (page, next) = store.revoked_after(at, 1, NOW_MS).await.unwrap();
        if page.is_empty() {
            break;
        }
        read.extend(page);
        at = next;
    }
    assert_eq!(read.len(), written.len(), "{read:?}");
    // Said again with a later end: it is told again, and counts once.
    end(&store, "ann", &all(), 9).await.unwrap();
    let (again, _) = store.revoked_after(at, 10, NOW_MS).await.unwrap();
    assert_eq!(again.iter().map(|it| it.cut).collect::<Vec<_>>(), [cut(9)]);
    assert_eq!(list(&store).await.len(), 9);
    // What has ended by itself is told to nobody and goes.
    assert!(store.revoked_after(0, 10, 10 * NOW_MS).await.unwrap().0.is_empty());
    store.forget_ended(10 * NOW_MS).await.unwrap();
    assert!(list(&store).await.is_empty());
}

pub async fn a_device_that_is_ended_takes_the_tokens_that_it_used_with_it(store: Store) {
    let tokens = [
        token("ann", "phone", 1),
        token("ann", "phone", 2),
        token("ann", "laptop", 3),
        token("bob", "phone", 4),
    ];
    assert_eq!(store.note_tokens(&tokens, TOKENS, NOW_MS).await.unwrap(), []);
    assert_eq!(store.note_tokens(&tokens, TOKENS, NOW_MS).await.unwrap(), [], "noted again");
    let unknown = end(&store, "ann", &of_device("tablet"), 9).await;
    assert!(matches!(unknown, Err(RevokeError::UnknownDevice)), "{unknown:?}");
    assert!(list(&store).await.is_empty());
    let ended = end(&store, "ann", &of_device("phone"), 9).await.unwrap();
    let own = Cut { issued_until_secs: 1, until_ms: 5 * NOW_MS };
    let expected = BTreeMap::from([
        (("ann".to_owned(), What::Device(device("phone"))), cut(9)),
        (("ann".to_owned(), What::Token(TokenId([1; 32]))), own),
        (("ann".to_owned(), What::Token(TokenId([2; 32]))), Cut { issued_until_secs: 2, ..own }),
    ]);
    assert_eq!((list(&store).await, ended.len()), (expected, 3));
    // Once more is no mistake; a session takes its tokens alone.
    assert_eq!(end(&store, "ann", &of_device("phone"), 9).await.unwrap(), []);
    let session = Ending::SessionOf(device("laptop"));
    let ended = end(&store, "ann", &session, 9).await.unwrap();
    let ended: Vec<What> = ended.into_iter().map(|it| it.what).collect();
    assert_eq!(ended, [What::Token(TokenId([3; 32]))]);
    // One of which nothing is known but that it is there.
    let connected = Ending::Device { device_id: device("tv"), is_connected: true };
    assert_eq!(end(&store, "ann", &connected, 9).await.unwrap().len(), 1);
}

pub async fn a_token_that_is_noted_after_its_device_was_ended_comes_too_late(store: Store) {
    let connected = Ending::Device { device_id: device("phone"), is_connected: true };
    end(&store, "ann", &connected, 5).await.unwrap();
    let tokens = [
        token("ann", "phone", 5),
        token("ann", "phone", 6),
        token("ann", "laptop", 4),
        token("bob", "phone", 4),
    ];
    assert_eq!(store.note_tokens(&tokens, TOKENS, NOW_MS).await.unwrap(), [tokens[0].clone()]);
    // At the same moment, in whatever order: it is known to one of the two.
    for number in 10..30 {
        let late = token("cat", "phone", number);
        let noting = store.note_tokens(std::slice::from_ref(&late), TOKENS, NOW_MS);
        let cat = user("cat");
        let ending = store.end(&cat, &connected, cut(u64::from(number)), BOUNDS, NOW_MS);
        let (late, ended) = tokio::join!(noting, ending);
        let what = What::Token(TokenId([number; 32]));
        let took = ended.unwrap().iter().any(|it| it.what == what || it.what == What::All);
        assert!(took || !late.unwrap().is_empty(), "{number}");
    }
}

pub async fn tokens_beyond_the_bound_go_with_any_device_of_their_user(store: Store) {
    for number in 1..=20 {
        let token = token("ann", &format!("device-{number}"), number);
        store.note_tokens(&[token], TOKENS, NOW_MS + u64::from(number)).await.unwrap();
    }
    let token = token("bob", "phone", 1);
    store.note_tokens(&[token], TOKENS, NOW_MS).await.unwrap();
    // The first one is not known any more, and may be any of those that were forgotten.
    end(&store, "ann", &of_device("device-1"), 99).await.unwrap();
    let list = list(&store).await;
    let forgotten = list[&("ann".to_owned(), What::All)].issued_until_secs;
    assert!((12..20).contains(&forgotten), "{list:?}");
    assert!(list.keys().all(|(user, _)| user == "ann"));
}

pub async fn one_user_fills_nothing_but_the_own_share_of_revocations(store: Store) {
    end(&store, "ann", &all(), 5).await.unwrap();
    for number in 0..60 {
        let ending = Ending::What(What::Token(TokenId([number; 32])));
        end(&store, "eve", &ending, u64::from(number)).await.unwrap();
    }
    let list = list(&store).await;
    assert_eq!(list[&("ann".to_owned(), What::All)], cut(5));
    let of_eve: Vec<_> = list.iter().filter(|((user, _), _)| user == "eve").collect();
    assert!(of_eve.len() <= BOUNDS.per_user, "{of_eve:?}");
    let all = list[&("eve".to_owned(), What::All)].issued_until_secs;
    for number in 0..60 {
        let own = ("eve".to_owned(), What::Token(TokenId([number; 32])));
        assert!(u64::from(number) <= all || list.contains_key(&own), "{number}: {list:?}");
    }
}

pub async fn a_full_list_refuses_what_is_new_and_says_so(store: Store) {
    for number in 0..BOUNDS.most {
        end(&store, &format!("user-{number}"), &all(), 5).await.unwrap();
    }
    let full = end(&store, "late", &all(), 5).await;
    assert!(matches!(full, Err(RevokeError::Full)), "{full:?}");
    end(&store, "user-1", &all(), 9).await.unwrap();
    assert_eq!(list(&store).await.len() as u64, BOUNDS.most);
}
