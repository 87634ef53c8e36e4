//! `act` presses an action of a card that a bot has sent: an entry of the bot's self log. Everybody who may see the card may press it,
//! as long as the bot is a member of its conversation. The partition of the self log appends it; what is known of the card is
//! read and proven by no head, and need not be.

use proto::bus;
use proto::error_code::ErrorCode;
use proto::id::{ConversationId, UserId, UserName};
use serde::{Deserialize, Serialize};

use super::plan::{Draft, Not, Planner};
use super::{Action, Asked, Operation, Rejected, Rule, Size, invalid, user};
use crate::domain::content::card;
use crate::domain::conversation::Refusal;
use crate::domain::entry::{Body, MessageKind, OwnKind, Source};
use crate::domain::said::Said;

/// Presses an action.
#[derive(Debug, Clone)]
pub struct CardAct {
    /// Where the card is, in the actor's tenant.
    pub from: ConversationId,
    pub seq: u64,
    /// Who has sent it, and whose self log it goes to.
    pub bot: UserId,
    pub action_id: String,
    /// What the actor says with it.
    pub value: Option<String>,
}

/// The content of an entry `act`.
#[derive(Debug, Serialize, Deserialize)]
pub struct ActContent {
    pub conversation_id: ConversationId,
    pub seq: u64,
    pub action_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Who has pressed it.
    pub user: UserName,
}

/// The card that an entry `act` is about.
pub fn card_of(content: &str) -> Option<(ConversationId, u64)> {
    let content: ActContent = serde_json::from_str(content).ok()?;
    Some((content.conversation_id, content.seq))
}

pub(super) fn read(asked: Asked, wire: bus::CardAct) -> Result<Operation, Rejected> {
    let bot = user(&wire.bot)?;
    let own = ConversationId::own(&bot);
    let card = wire.card.unwrap_or_default();
    let from = ConversationId::from_bytes(&card.conversation_id)
        .map_err(|_| invalid("`conversation_id` is a UUID"))?;
    let mut said = Said::new("act", own);
    said.text(&from.to_string());
    said.number(card.seq);
    said.text(&wire.action_id);
    said.number(u64::from(wire.value.is_some()));
    said.text(wire.value.as_deref().unwrap_or_default());
    if let Err(refusal) = card::check_press(&wire.action_id, wire.value.as_deref()) {
        return Err(asked.rejected(Some(said.finish()), refusal));
    }
    let (action_id, value) = (wire.action_id, wire.value);
    let act = CardAct { from, seq: card.seq, bot, action_id, value };
    asked.operation(own, said, Action::Act(act))
}

impl Rule for CardAct {
    fn apply(&self, planner: &mut Planner<'_>, operation: &Operation) -> Result<Draft, Not> {
        let source = planner.source(&operation.actor, self.from, self.seq).filter(|source| {
            let is_over = source.expires_at_ms.is_some_and(|at| at <= planner.now_ms);
            !is_over && source.kind == MessageKind::Card
        });
        let none = || {
            let text = "there is no card of this bot at `seq` that you may see";
            Refusal::new(ErrorCode::NotFound, text)
        };
        let value = self.value(source.filter(|it| self.is_by_bot(it)).ok_or_else(none)?)?;
        planner.begin_own(operation.conversation(), &self.bot);
        let content = ActContent {
            conversation_id: self.from,
            seq: self.seq,
            action_id: self.action_id.clone(),
            value,
            user: operation.actor.name(),
        };
        // Cannot fail: texts and a number.
        let content = serde_json::to_string(&content).unwrap_or_default();
        Ok(Draft::of(Body::Own { kind: OwnKind::Act, content }))
    }

    fn source(&self) -> Option<(ConversationId, u64)> {
        Some((self.from, self.seq))
    }

    fn is_own(&self) -> bool {
        true
    }

    fn size(&self) -> Size {
        let bytes = self.action_id.len() + self.value.as_ref().map_or(0, String::len) + 128;
        Size { bytes, memberships: 0 }
    }
}

impl CardAct {
    fn is_by_bot(&self, source: &Source) -> bool {
        source.bot.as_ref().is_some_and(|bot| *bot == self.bot.name())
    }

    /// What the bot is told: the value of the action, or what the actor says where it has none.
    fn value(&self, source: &Source) -> Result<Option<String>, Refusal> {
        let Some(pressed) = card::action(&source.content, &self.action_id) else {
            return Err(invalid("the card has no action with this `action_id`"));
        };
        match (pressed.value, &self.value) {
            (Some(own), Some(said)) if own != *said => {
                Err(invalid("this action has a `value` of its own: leave it out"))
            }
            (own, said) => Ok(own.or_else(|| said.clone())),
        }
    }
}
