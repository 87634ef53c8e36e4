//! Properties of identifiers and partitions. The fixed values were computed apart from this code:
//! a build that disagrees with them sends frames to other partitions than its neighbours do.
#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]

use proptest::prelude::*;
use proto::hash::connection_digest;
use proto::id::{
    ClientId, ConversationId, GatewayId, IdError, MAX_NAME_BYTES, TenantId, UserId, UserName,
};
use proto::partition::{of_conversation, of_user};

fn user() -> impl Strategy<Value = UserName> {
    "[A-Za-z0-9._@:+-]{1,64}"
        .prop_filter("a path cannot name it", |text| text != "." && text != "..")
        .prop_map(|text| UserName::parse(&text).unwrap())
}

fn conversation() -> impl Strategy<Value = ConversationId> {
    any::<[u8; 16]>().prop_map(|bytes| ConversationId(uuid::Uuid::from_bytes(bytes)))
}

proptest! {
    #[test]
    fn a_name_is_read_as_it_is_written(text in "[A-Za-z0-9._@:+-]{1,64}") {
        prop_assume!(text != "." && text != "..");
        let user = UserName::parse(&text).unwrap();
        prop_assert_eq!(user.as_str(), &text);
        prop_assert_eq!(user.to_string().parse::<UserName>().unwrap(), user.clone());
        let json = serde_json::to_string(&user).unwrap();
        prop_assert_eq!(serde_json::from_str::<UserName>(&json).unwrap(), user);
    }

    #[test]
    fn any_text_is_a_name_or_says_what_is_wrong(text in any::<String>()) {
        let good = |c: char| c.is_ascii_alphanumeric() || ".-_@:+".contains(c);
        match GatewayId::parse(&text) {
            Ok(id) => prop_assert!(id.as_str().chars().all(good) && !text.is_empty()),
            Err(IdError::Empty) => prop_assert!(text.is_empty()),
            Err(IdError::TooLong) => prop_assert!(text.len() > MAX_NAME_BYTES),
            Err(IdError::Dots) => prop_assert!(text == "." || text == ".."),
            Err(IdError::BadCharacter) => prop_assert!(!text.chars().all(good)),
            Err(error) => prop_assert!(false, "{error}: of another kind of id"),
        }
    }

    #[test]
    fn one_bad_character_anywhere_spoils_a_name(
        text in "[a-z]{1,30}", at in any::<prop::sample::Index>(), bad in "[^A-Za-z0-9._@:+-]",
    ) {
        let mut text = text;
        text.insert_str(at.index(text.len()), &bad);
        prop_assert_eq!(UserName::parse(&text), Err(IdError::BadCharacter));
        let json = serde_json::to_string(&text).unwrap();
        prop_assert!(serde_json::from_str::<UserName>(&json).is_err());
    }

    #[test]
    fn a_uuid_is_read_as_it_is_written(bytes in any::<[u8; 16]>()) {
        let id = ClientId::from_bytes(&bytes).unwrap();
        prop_assert_eq!(id.to_bytes().to_vec(), bytes.to_vec());
        prop_assert_eq!(ClientId::parse(&id.to_string()), Ok(id));
        prop_assert_eq!(ClientId::parse(&id.to_string().to_uppercase()), Ok(id));
        let json = serde_json::to_string(&id).unwrap();
        prop_assert_eq!(serde_json::from_str::<ClientId>(&json).unwrap(), id);
    }

    #[test]
    fn bytes_of_another_length_are_no_uuid(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        prop_assert_eq!(ConversationId::from_bytes(&bytes).is_ok(), bytes.len() == 16);
    }

    #[test]
    fn any_text_is_a_uuid_or_an_error(text in any::<String>()) {
        let _ = ConversationId::parse(&text);
    }

    #[test]
    fn two_users_have_one_direct_conversation_of_their_own(one in user(), two in user(), three in user()) {
        let direct = ConversationId::direct(TenantId::DEFAULT, &one, &two);
        prop_assert_eq!(direct, ConversationId::direct(TenantId::DEFAULT, &two, &one));
        if two != three {
            prop_assert_ne!(direct, ConversationId::direct(TenantId::DEFAULT, &one, &three));
        }
        // Version 8, the usual variant: never equal to one that was generated.
        prop_assert_eq!(direct.0.get_version_num(), 8);
        prop_assert_eq!(direct.0.get_variant(), uuid::Variant::RFC4122);
    }

    #[test]
    fn names_that_are_equal_when_joined_are_still_two_pairs(text in "[a-z]{3,20}", at in any::<prop::sample::Index>(), other in any::<prop::sample::Index>()) {
        let split = |at: prop::sample::Index| {
            let at = 1 + at.index(text.len() - 1);
            (UserName::parse(&text[..at]).unwrap(), UserName::parse(&text[at..]).unwrap())
        };
        let (one, two) = (split(at), split(other));
        let same = one == two || (one.0 == two.1 && one.1 == two.0);
        let (first, second) =
            (ConversationId::direct(TenantId::DEFAULT, &one.0, &one.1), ConversationId::direct(TenantId::DEFAULT, &two.0, &two.1));
        prop_assert_eq!(first == second, same);
    }

    #[test]
    fn a_partition_is_below_the_count_and_always_the_same(conversation in conversation(), user in user(), count in any::<u16>()) {
        for partition in [of_conversation(conversation, count), of_user(&user.of(TenantId::DEFAULT), count)] {
            prop_assert!(partition < count.max(1));
        }
        let again = ConversationId::parse(&conversation.to_string()).unwrap();
        prop_assert_eq!(of_conversation(conversation, count), of_conversation(again, count));
    }

    #[test]
    fn a_user_of_any_tenant_is_read_as_it_is_written(user in user(), tenant in "[a-d0-9-]{1,2}") {
        let tenant = TenantId::parse(&tenant).unwrap();
        let id = user.of(tenant);
        let read = UserId::parse_qualified(id.as_str()).unwrap();
        prop_assert_eq!((read.tenant(), read.name(), read.name_str()), (tenant, user.clone(), user.as_str()));
        prop_assert_eq!(&read, &id);
        prop_assert!(UserName::parse(id.as_str()).is_err(), "no client can write it");
        prop_assert_ne!(user.of(TenantId::DEFAULT), id);
        prop_assert_eq!(TenantId::from_field(&tenant.to_field()), Ok(tenant));
    }

    #[test]
    fn a_digest_does_not_depend_on_the_order(connections in prop::collection::vec((user(), any::<u64>()), 0..20)) {
        let digest = |connections: &mut dyn Iterator<Item = &(UserName, u64)>| {
            connections.fold(0, |all, (user, number)| all ^ connection_digest(user.as_str(), *number))
        };
        prop_assert_eq!(digest(&mut connections.iter()), digest(&mut connections.iter().rev()));
    }
}

/// For 1, 3, 16, 64, 1024 and 65535 partitions.
const COUNTS: [u16; 6] = [1, 3, 16, 64, 1024, 65_535];

#[test]
fn the_partition_of_a_conversation_never_changes() {
    for (id, partitions) in [
        ("00000000-0000-0000-0000-000000000000", [0, 0, 12, 28, 988, 3222]),
        ("018f3b6e-5c1a-7c3e-9d2f-1a2b3c4d5e6f", [0, 1, 8, 8, 648, 59_389]),
        ("ffffffff-ffff-ffff-ffff-ffffffffffff", [0, 1, 13, 29, 349, 3208]),
    ] {
        let conversation = ConversationId::parse(id).unwrap();
        assert_eq!(COUNTS.map(|count| of_conversation(conversation, count)), partitions, "{id}");
    }
}

#[test]
fn the_partition_of_a_user_never_changes() {
    for (name, partitions) in [
        ("ann", [0, 2, 1, 33, 417, 51_611]),
        ("bob", [0, 0, 13, 13, 589, 42_426]),
        ("user-4711", [0, 0, 1, 33, 97, 18_660]),
        ("a.b+c@example.org", [0, 0, 11, 59, 571, 34_383]),
    ] {
        let user = UserName::parse(name).unwrap();
        assert_eq!(
            COUNTS.map(|count| of_user(&user.of(TenantId::DEFAULT), count)),
            partitions,
            "{name}"
        );
    }
}

#[test]
fn derived_ids_and_digests_never_change() {
    let (ann, bob) = (UserName::parse("ann").unwrap(), UserName::parse("bob").unwrap());
    let direct = |one, two| ConversationId::direct(TenantId::DEFAULT, one, two).to_string();
    assert_eq!(direct(&ann, &bob), "b0fff7b5-5ba0-89ad-8ae0-d5a04b8071e5");
    assert_eq!(direct(&ann, &ann), "bed3abb8-be63-8fcf-896a-677372f39c7c");
    let client_id = ClientId::parse("018f3b6e-5c1a-7c3e-9d2f-1a2b3c4d5e6f").unwrap();
    let created = ConversationId::created(&ann.of(TenantId::DEFAULT), client_id).to_string();
    assert_eq!(created, "70f6d859-6560-8c03-864c-55020768ee79");
    assert_eq!(connection_digest("ann", 1), 0x2b7f_723f_d09c_d93e);
    assert_eq!(connection_digest("bob", u64::MAX), 0xf27c_5bef_422f_d49c);
    assert_eq!(connection_digest("", 0), 0x6875_2350_7ef7_0e9f);
}
