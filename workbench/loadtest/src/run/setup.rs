//! What must be known before the first connection: addresses, secret, limits, groups.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use verdict::event::Event;
use wire_client::identity::Run;
use wire_client::prepare;
use wire_client::token::Signer;
use wire_client::ws::handshake::Target;

use super::RunError;
use crate::options::{NamedPid, Options, Scenario};
use crate::plan::Plan;
use crate::record::Writer;
use crate::rest::{Rest, RestError};
use crate::shared::{Common, Heads};

/// Groups that are being made at once.
const GROUPS_AT_ONCE: usize = 8;
/// What fails for now while groups are made is tried again for so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Everything to begin with.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) common: Common,
    /// Writes the history.
    pub(super) writer: Option<Writer>,
    /// The servers and the fleet itself.
    pub(super) processes: Vec<NamedPid>,
}

pub(super) async fn set_up(options: Options) -> Result<Setup, RunError> {
    prepare::check_file_limit(options.client_count())?;
    prepare::check_processes(&options.server_pids)?;
    let secret = prepare::secret(options.secret.as_ref(), options.secret_file.as_deref())?;
    let signer = Arc::new(Signer::new(&secret, options.audience.clone(), options.issuer.clone()));
    let targets: Arc<[Target]> = prepare::targets(&options.urls)
        .await?
        .iter()
        .map(|target| Target {
            path: options.wire.path(&target.path),
            subprotocol: options.wire.subprotocol(),
            ..target.clone()
        })
        .collect();
    let run = options.run_name.as_deref().and_then(Run::named).unwrap_or_else(Run::begin);
    let mut plan = Plan::of(&options, run);
    if options.scenario == Scenario::Group {
        make_groups(&options, &mut plan, &signer).await?;
    }
    let mut processes = options.server_pids.clone();
    processes.push(NamedPid { name: "fleet".to_owned(), pid: std::process::id() });
    let heads = Arc::new(Heads::new(plan.conversations.len()));
    let plan = Arc::new(plan);
    let writer = options.history.as_deref().map(|path| begin_history(path, &options, &plan));
    let writer = writer.transpose()?;
    let recorder = writer.as_ref().map(Writer::recorder);
    let options = Arc::new(options);
    let common = Common { options, plan, targets, signer, heads, recorder };
    Ok(Setup { common, writer, processes })
}

/// Begins the history's file: who talks to whom.
fn begin_history(path: &Path, options: &Options, plan: &Plan) -> Result<Writer, RunError> {
    let writer = Writer::create(path)
        .map_err(|source| RunError::History { path: path.to_path_buf(), source })?;
    let (recorder, now) = (writer.recorder(), plan.run.nanos(0));
    let event = Event::Run {
        name: plan.run.name().to_owned(),
        devs: plan.users.len() as u32,
        conversations: plan.conversations.iter().map(|each| each.id).collect(),
        gateways: options.urls.iter().map(|url| url.authority.clone()).collect(),
    };
    recorder.take(now, event);
    for (conv, conversation) in (0..).zip(&plan.conversations) {
        for dev in &conversation.members {
            let from_seq = plan.first_place(*dev, conv);
            let member = Event::Member { conv, dev: *dev, from_seq, to_seq: None };
            recorder.take(now, member);
        }
    }
    Ok(writer)
}

/// Makes the groups over REST, some at once, and notes their ids.
async fn make_groups(
    options: &Options,
    plan: &mut Plan,
    signer: &Arc<Signer>,
) -> Result<(), RunError> {
    let mut rests = Vec::new();
    for url in &options.urls {
        let rest = Rest::new(&url.authority, Arc::clone(signer), PATIENCE);
        rests.push(rest.map_err(io::Error::other)?);
    }
    let layout = Arc::new(plan.clone());
    let mut making = JoinSet::new();
    let mut groups = 0..layout.conversations.len() as u32;
    loop {
        while making.len() < GROUPS_AT_ONCE
            && let Some(group) = groups.next()
        {
            let rest = rests[group as usize % rests.len()].clone();
            let layout = Arc::clone(&layout);
            making.spawn(async move {
                let id = rest.create_group(&layout, group).await?;
                Ok::<_, RestError>((group, id))
            });
        }
        let Some(made) = making.join_next().await else { return Ok(()) };
        let (group, id) = made.map_err(|error| RunError::Thread(error.to_string()))??;
        plan.name_group(group, id);
    }
}
