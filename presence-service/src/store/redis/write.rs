//! What changes records and accounts: reports, choices, and the end of registrations.

use std::collections::HashSet;

use proto::hash::connection_digest;
use proto::id::{GatewayId, UserId};
use redis::Pipeline;

use super::{RedisStore, call, packed};
use crate::domain::client::Client;
use crate::domain::registration::{
    Allowed, Cause, Change, Connected, Disconnected, GatewayEpoch, Place,
};
use crate::domain::status::{Chosen, Standing};
use crate::store::{Choice, OwnChoice, Report, Reported, StoreError, Swept, UserState};

/// What the scripts of a user answer: devices before and after, choice before and after, last seen,
/// how long offline before (-1 when not), whether the connection was reported anew (1) or refused (2),
/// what it replaced.
type Answer = (u32, u32, String, String, u64, i64, u8, Vec<String>);

/// In the place of `reported anew`: the user has as many connections as allowed.
const REFUSED: u8 = 2;

/// One call of a user's script, and what to tell of it.
struct Step<'a> {
    user_id: &'a UserId,
    action: Action<'a>,
    by: Option<Place>,
}

enum Action<'a> {
    Connect(&'a Connected, &'a str, Allowed),
    Disconnect(u64),
    /// The stamp of the account that named the connection, and the connection, in hexadecimal.
    End(&'a str, &'a str),
    /// A choice, and whether it is only taken where none is known.
    Choose(char, bool),
}

impl RedisStore {
    pub(super) async fn write_report<'r>(
        &self,
        report: &'r Report,
    ) -> Result<Reported, StoreError> {
        let stamp = self.write_account(report).await?;
        let allowed = self.leases.allowed(report.is_snapshot);
        let place = |connection| Some(Place { gateway: report.gateway.clone(), connection });
        let opened = report.connected.iter().map(|connected| Step {
            user_id: &connected.user_id,
            action: Action::Connect(connected, &stamp, allowed),
            by: place(connected.connection),
        });
        let closed = |gone: &&'r Disconnected| Step {
            user_id: &gone.user_id,
            action: Action::Disconnect(gone.connection),
            by: None,
        };
        let (before, after) = report.closed_before_and_after();
        let steps: Vec<Step<'_>> =
            before.iter().map(closed).chain(opened).chain(after.iter().map(closed)).collect();
        let reported =
            self.write_users(&report.gateway.id, Some(report.gateway.epoch), steps).await?;
        self.settle(report, &reported.refused, &stamp).await?;
        Ok(reported)
    }

    /// Renews the lease and names the opened connections; begins a new account where that is due.
    async fn write_account(&self, report: &Report) -> Result<String, StoreError> {
        let GatewayEpoch { id, epoch } = &report.gateway;
        let keys = self.keys.gateway(id);
        let mut pipeline = redis::pipe();
        pipeline.cmd("SADD").arg(self.keys.gateways()).arg(id.as_str()).ignore();
        // At least once: a snapshot without connections is an account too.
        let mut rest = report.connected.as_slice();
        let mut is_snapshot = report.is_snapshot;
        loop {
            let (chunk, after) =
                rest.split_at(rest.len().min(self.config.pipeline_commands.max(1)));
            call(&mut pipeline, &self.scripts.report, &keys)
                .arg(format!("{epoch:016x}"))
                .arg(u8::from(is_snapshot))
                .arg(self.leases.lease_ms)
                .arg(self.leases.account_ms)
                .arg(self.leases.gateway_memory_secs * 1_000);
            for Connected { user_id, connection, .. } in chunk {
                member(&mut pipeline, user_id, *connection);
            }
            is_snapshot = false;
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        let stamps: Vec<String> = self.write(&pipeline).await?;
        match stamps.into_iter().next_back() {
            Some(stamp) if !stamp.is_empty() => Ok(stamp),
            _ => Err(StoreError::StaleEpoch),
        }
    }

    /// Takes the closed and the refused connections out of the account.
    async fn settle(
        &self,
        report: &Report,
        refused: &[u64],
        stamp: &str,
    ) -> Result<(), StoreError> {
        let refused: HashSet<u64> = refused.iter().copied().collect();
        let opened = report.connected.iter().map(|it| (&it.user_id, it.connection));
        let gone: Vec<_> = report
            .disconnected
            .iter()
            .map(|it| (&it.user_id, it.connection))
            .chain(opened.filter(|(_, connection)| refused.contains(connection)))
            .collect();
        if gone.is_empty() {
            return Ok(());
        }
        let keys = self.keys.gateway(&report.gateway.id);
        let mut pipeline = redis::pipe();
        for chunk in gone.chunks(self.config.pipeline_commands.max(1)) {
            call(&mut pipeline, &self.scripts.settle, &keys).arg(stamp);
            for (user_id, connection) in chunk {
                member(&mut pipeline, user_id, *connection);
            }
            pipeline.ignore();
            for (user_id, connection) in chunk {
                let field = format!("{connection:016x}");
                pipeline.cmd("HDEL").arg(self.keys.clients(user_id)).arg(field).ignore();
            }
        }
        self.write(&pipeline).await
    }

    pub(super) async fn write_choices(
        &self,
        choices: &[Choice],
    ) -> Result<Vec<Change>, StoreError> {
        let mut changes = Vec::new();
        for chunk in choices.chunks(self.config.pipeline_commands.max(1)) {
            let mut pipeline = redis::pipe();
            for Choice { user_id, chosen, .. } in chunk {
                let action = Action::Choose(packed::letter(*chosen), false);
                self.add(&mut pipeline, user_id, &action, None);
            }
            let answers: Vec<Answer> = self.write(&pipeline).await?;
            changes.extend(chunk.iter().zip(answers).filter_map(|(choice, answer)| {
                change(&choice.user_id, &answer, Cause::Chose, choice.by.clone())
            }));
        }
        Ok(changes)
    }

    /// Choices that were read elsewhere. Of each: whether none was known, and how the user stands.
    pub(super) async fn write_read_choices(
        &self,
        choices: &[(UserId, Chosen)],
    ) -> Result<Vec<(bool, UserState)>, StoreError> {
        let mut filled = Vec::with_capacity(choices.len());
        for chunk in choices.chunks(self.config.pipeline_commands.max(1)) {
            let mut pipeline = redis::pipe();
            for (user_id, chosen) in chunk {
                let action = Action::Choose(packed::letter(*chosen), true);
                self.add(&mut pipeline, user_id, &action, None);
            }
            let answers: Vec<Answer> = self.write(&pipeline).await?;
            filled.extend(answers.iter().map(|answer| {
                let was_unread = letter_of(&answer.2) == Chosen::Unread;
                let standing = Standing { devices: answer.1, chosen: letter_of(&answer.3) };
                (was_unread, UserState { standing, last_seen_ms: answer.4 })
            }));
        }
        Ok(filled)
    }

    async fn write_users(
        &self,
        gateway_id: &GatewayId,
        epoch: Option<u64>,
        steps: Vec<Step<'_>>,
    ) -> Result<Reported, StoreError> {
        let epoch = epoch.map(|epoch| format!("{epoch:016x}")).unwrap_or_default();
        let mut reported = Reported::default();
        for chunk in steps.chunks(self.config.pipeline_commands.max(1)) {
            let mut pipeline = redis::pipe();
            for Step { user_id, action, .. } in chunk {
                self.add(&mut pipeline, user_id, action, Some((gateway_id, epoch.as_str())));
            }
            let answers: Vec<Answer> = self.write(&pipeline).await?;
            for (step, answer) in chunk.iter().zip(answers) {
                let cause = match step.action {
                    Action::Connect(connected, ..) if answer.6 == REFUSED => {
                        reported.refused.push(connected.connection);
                        continue;
                    }
                    Action::Connect(connected, ..) => {
                        reported.chosen.push(OwnChoice {
                            connection: connected.connection,
                            user_id: connected.user_id.clone(),
                            chosen: letter_of(&answer.3),
                        });
                        Cause::Connected {
                            offline_ms: u64::try_from(answer.5).ok(),
                            is_anew: answer.6 == 1,
                        }
                    }
                    Action::Disconnect(_) => Cause::Disconnected,
                    Action::End(..) => Cause::TakenOver,
                    Action::Choose(..) => Cause::Chose,
                };
                reported.changes.extend(change(step.user_id, &answer, cause, step.by.clone()));
            }
        }
        Ok(reported)
    }

    /// Adds the call of one user's script.
    fn add(
        &self,
        pipeline: &mut Pipeline,
        user_id: &UserId,
        action: &Action<'_>,
        gateway: Option<(&GatewayId, &str)>,
    ) {
        let keys = [self.keys.user(user_id)];
        let (gateway_id, epoch) =
            gateway.map_or(("", ""), |(gateway_id, epoch)| (gateway_id.as_str(), epoch));
        match action {
            Action::Connect(connected, stamp, allowed) => {
                call(pipeline, &self.scripts.connect, &keys)
                    .arg(format!("{:016x}", connected.connection))
                    .arg(epoch)
                    .arg(stamp)
                    // One digit: the contract has six types.
                    .arg(connected.device_type.0.min(9))
                    .arg(format!("{:012x}", connected.connected_at_ms & 0xffff_ffff_ffff))
                    .arg(gateway_id)
                    .arg(connected.device_id.as_str())
                    .arg(self.leases.lease_ms)
                    .arg(allowed.registrations.max(1))
                    .arg(self.leases.last_seen_secs)
                    .arg(allowed.connections)
            }
            Action::Disconnect(connection) => call(pipeline, &self.scripts.disconnect, &keys)
                .arg(format!("{connection:016x}"))
                .arg(gateway_id)
                .arg("")
                .arg(self.leases.last_seen_secs),
            Action::End(stamp, connection) => call(pipeline, &self.scripts.disconnect, &keys)
                .arg(connection)
                .arg(gateway_id)
                .arg(stamp)
                .arg(self.leases.last_seen_secs),
            Action::Choose(letter, is_read) => call(pipeline, &self.scripts.choose, &keys)
                .arg(letter.to_string())
                .arg(self.leases.last_seen_secs)
                .arg(u8::from(*is_read)),
        };
        if let Action::Connect(connected, ..) = action
            && connected.client != Client::default()
        {
            let key = self.keys.clients(user_id);
            let Client { ip, user_agent } = &connected.client;
            let field = format!("{:016x}", connected.connection);
            pipeline.cmd("HSET").arg(&key).arg(field).arg(format!("{ip} {user_agent}")).ignore();
            pipeline.cmd("EXPIRE").arg(key).arg(self.leases.last_seen_secs).ignore();
        }
    }

    pub(super) async fn sweep_gateways(&self, most: usize) -> Result<Swept, StoreError> {
        let mut listing = redis::pipe();
        listing.cmd("SMEMBERS").arg(self.keys.gateways());
        let (names,): (Vec<String>,) = self.read(&listing).await?;
        let gateways: Vec<GatewayId> =
            names.iter().filter_map(|name| GatewayId::parse(name).ok()).collect();
        let mut swept = Swept::default();
        for chunk in gateways.chunks(self.config.pipeline_commands.max(1)) {
            let mut pipeline = redis::pipe();
            for gateway_id in chunk {
                call(&mut pipeline, &self.scripts.sweep, &self.keys.gateway(gateway_id))
                    .arg(&self.owner)
                    .arg(self.config.claim_ms)
                    .arg(self.leases.gateway_memory_secs * 1_000)
                    .arg(most.max(1));
            }
            let found: Vec<(String, Vec<String>)> = self.write(&pipeline).await?;
            for (gateway_id, (state, members)) in chunk.iter().zip(found) {
                match state.as_str() {
                    "ended" => swept.ended.push(gateway_id.clone()),
                    "gone" => self.forget(gateway_id).await?,
                    _ => {}
                }
                swept.has_more |= members.len() >= most;
                swept.changes.extend(self.end(gateway_id, &members).await?);
            }
        }
        Ok(swept)
    }

    /// Ends registrations, then forgets that they were to end: a crash in between repeats it.
    async fn end(
        &self,
        gateway_id: &GatewayId,
        members: &[String],
    ) -> Result<Vec<Change>, StoreError> {
        if members.is_empty() {
            return Ok(Vec::new());
        }
        let named: Vec<(&str, &str, UserId)> = members
            .iter()
            .filter_map(|text| {
                let (stamp, rest) = text.split_at_checked(14)?;
                let (connection, user_id) = rest.split_at_checked(16)?;
                Some((stamp, connection, UserId::parse_qualified(user_id).ok()?))
            })
            .collect();
        let steps = named
            .iter()
            .map(|(stamp, connection, user_id)| Step {
                user_id,
                action: Action::End(stamp, connection),
                by: None,
            })
            .collect();
        let changes = self.write_users(gateway_id, None, steps).await?.changes;
        let mut pipeline = redis::pipe();
        for (_, connection, user_id) in &named {
            pipeline.cmd("HDEL").arg(self.keys.clients(user_id)).arg(*connection).ignore();
        }
        call(&mut pipeline, &self.scripts.ended, &self.keys.gateway(gateway_id))
            .arg(members)
            .ignore();
        let (): () = self.write(&pipeline).await?;
        Ok(changes)
    }

    async fn forget(&self, gateway_id: &GatewayId) -> Result<(), StoreError> {
        let mut pipeline = redis::pipe();
        let [_, _, _, listed] = self.keys.gateway(gateway_id);
        pipeline.cmd("DEL").arg(listed).ignore();
        pipeline.cmd("SREM").arg(self.keys.gateways()).arg(gateway_id.as_str()).ignore();
        self.write(&pipeline).await
    }
}

/// Adds a member of an account, without its stamp, and its part of the digest.
fn member(pipeline: &mut Pipeline, user_id: &UserId, connection: u64) {
    pipeline.arg(format!("{connection:016x}{user_id}"));
    pipeline.arg(format!("{:016x}", connection_digest(user_id.as_str(), connection)));
}

fn letter_of(text: &str) -> Chosen {
    packed::chosen(text.bytes().next().unwrap_or_default())
}

/// What there is to tell; nothing when the user stands as before.
fn change(user_id: &UserId, answer: &Answer, cause: Cause, by: Option<Place>) -> Option<Change> {
    let (devices_before, devices_after, chosen_before, chosen_after, last_seen_ms, _, _, replaced) =
        answer;
    let standing =
        |devices: &u32, letter: &str| Standing { devices: *devices, chosen: letter_of(letter) };
    let before = standing(devices_before, chosen_before);
    let after = standing(devices_after, chosen_after);
    let (user_id, last_seen_ms) = (user_id.clone(), *last_seen_ms);
    let replaced = replaced.iter().filter_map(|text| place(text)).collect();
    let change = Change { user_id, before, after, last_seen_ms, cause, by, replaced };
    change.is_something().then_some(change)
}

/// `connection(16) epoch(16) gateway_id`, as `connect.lua` names what it replaced.
fn place(text: &str) -> Option<Place> {
    let (connection, rest) = text.split_at_checked(16)?;
    let (epoch, id) = rest.split_at_checked(16)?;
    let gateway = GatewayEpoch {
        id: GatewayId::parse(id).ok()?,
        epoch: u64::from_str_radix(epoch, 16).ok()?,
    };
    Some(Place { gateway, connection: u64::from_str_radix(connection, 16).ok()? })
}
