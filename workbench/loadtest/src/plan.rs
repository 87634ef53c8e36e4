//! Who talks to whom: fixed before the first connection, the same for every thread.

use proto::id::{ConversationId, UserName};
use uuid::Uuid;
use wire_client::identity::Run;
use wire_client::rest::NAMED;

use crate::options::{Options, Scenario, Senders};

/// A conversation.
#[derive(Debug, Clone)]
pub struct Conversation {
    /// Its id, known before it exists when it is direct.
    pub id: Uuid,
    /// Its members' numbers.
    pub members: Vec<u32>,
    /// Made by the first `send {to}`.
    pub is_direct: bool,
}

/// One run's users and conversations, by number.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The run.
    pub run: Run,
    /// By client.
    pub users: Vec<UserName>,
    /// By conversation.
    pub conversations: Vec<Conversation>,
    /// By client: its conversations, ascending.
    pub memberships: Vec<Vec<u32>>,
    senders: Senders,
    absent: u32,
}

impl Plan {
    /// Lays out a scenario. Groups have no id yet: see [`Plan::name_group`].
    pub fn of(options: &Options, run: Run) -> Self {
        let member_count = options.member_count();
        let users: Vec<UserName> =
            (0..options.client_count()).map(|client| run.user(client)).collect();
        let conversations: Vec<Conversation> = match options.scenario {
            Scenario::Idle => Vec::new(),
            Scenario::Pairs => (0..options.pairs)
                .map(|pair| {
                    let (one, other) = (2 * pair, 2 * pair + 1);
                    let id = ConversationId::direct(
                        options.tenant,
                        &users[one as usize],
                        &users[other as usize],
                    )
                    .0;
                    Conversation { id, members: vec![one, other], is_direct: true }
                })
                .collect(),
            Scenario::Group => (0..options.groups)
                .map(|group| {
                    let first = u64::from(group) * u64::from(options.members);
                    let members = (first..first + u64::from(options.members))
                        .map(|member| (member % u64::from(member_count)) as u32)
                        .collect();
                    Conversation { id: Uuid::nil(), members, is_direct: false }
                })
                .collect(),
        };
        let mut memberships = vec![Vec::new(); users.len()];
        for (number, conversation) in (0..).zip(&conversations) {
            for member in &conversation.members {
                memberships[*member as usize].push(number);
            }
        }
        Self {
            run,
            users,
            conversations,
            memberships,
            senders: options.senders,
            absent: options.beside.absent,
        }
    }

    /// Members of every group who never connect.
    pub fn absent_members(&self) -> impl Iterator<Item = UserName> {
        let first = self.users.len() as u32;
        (first..first + self.absent).map(|number| self.run.user(number))
    }

    /// Sets the id that the server gave to a group.
    pub fn name_group(&mut self, conversation: u32, id: Uuid) {
        self.conversations[conversation as usize].id = id;
    }

    /// The first place of a log that a client may see: a group is made with as many members as one
    /// request may name, and each further request that adds some is an entry. Who never connects is
    /// named first, so that those who do need not hear of it: an entry names 999 members.
    pub fn first_place(&self, client: u32, conversation: u32) -> u32 {
        let conversation = &self.conversations[conversation as usize];
        match conversation.members.iter().position(|member| *member == client) {
            // Who makes the group, and who never was in it.
            Some(0) | None => 1,
            Some(place) => 1 + ((self.absent as usize + place - 1) / NAMED) as u32,
        }
    }

    /// True when a client sends to a conversation.
    pub fn is_sender(&self, client: u32, conversation: u32) -> bool {
        let conversation = &self.conversations[conversation as usize];
        match self.senders {
            Senders::One if !conversation.is_direct => {
                conversation.members.first() == Some(&client)
            }
            _ => conversation.members.contains(&client),
        }
    }

    /// The other member of a direct conversation.
    pub fn partner(&self, client: u32, conversation: u32) -> Option<&UserName> {
        let conversation = &self.conversations[conversation as usize];
        let other = conversation.members.iter().find(|member| **member != client)?;
        conversation.is_direct.then(|| &self.users[*other as usize])
    }

    /// The thread that runs a client. Pairs stay together.
    pub fn thread_of(client: u32, threads: u32) -> u32 {
        (client / 2) % threads
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(arguments: &[&str]) -> Plan {
        let common = ["--url", "ws://h:1/ws", "--secret", "s"];
        let options = Options::parse(common.into_iter().chain(arguments.iter().copied())).unwrap();
        options.validate().unwrap();
        Plan::of(&options, Run::begin())
    }

    #[test]
    fn pairs_know_their_partner_and_their_conversation() {
        let plan = plan(&["--pairs", "3"]);
        assert_eq!((plan.users.len(), plan.conversations.len()), (6, 3));
        assert_eq!(plan.partner(2, 1), Some(&plan.users[3]));
        assert_eq!(plan.partner(3, 1), Some(&plan.users[2]));
        assert!(plan.is_sender(2, 1) && plan.is_sender(3, 1) && !plan.is_sender(0, 1));
    }

    #[test]
    fn members_of_a_large_group_see_it_from_the_request_that_adds_them() {
        let plan = plan(&["--scenario", "group", "--members", "3000", "--absent", "2"]);
        let firsts = [0, 997, 998, 1_996, 1_997, 2_999].map(|member| plan.first_place(member, 0));
        assert_eq!(firsts, [1, 1, 2, 2, 3, 4]);
        assert_eq!(plan.absent_members().count(), 2);
        assert!(plan.absent_members().all(|user| !plan.users.contains(&user)));
    }

    #[test]
    fn those_who_only_listen_are_in_no_conversation() {
        let plan = plan(&["--pairs", "2", "--listeners", "3"]);
        assert_eq!((plan.users.len(), plan.conversations.len()), (7, 2));
        assert!(plan.memberships[4..].iter().all(Vec::is_empty));
    }

    #[test]
    fn groups_share_clients_only_when_asked_to() {
        let apart = plan(&["--scenario", "group", "--groups", "3", "--members", "4"]);
        assert_eq!(apart.users.len(), 12);
        assert!(apart.memberships.iter().all(|groups| groups.len() == 1));
        let shared = plan(&[
            "--scenario",
            "group",
            "--groups",
            "3",
            "--members",
            "4",
            "--clients",
            "6",
            "--senders",
            "one",
        ]);
        assert_eq!(shared.users.len(), 6);
        assert_eq!(shared.memberships[0], [0, 1]);
        assert!(shared.is_sender(4, 1) && !shared.is_sender(5, 1));
        assert_eq!(shared.partner(4, 1), None);
    }
}
