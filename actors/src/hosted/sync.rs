//! Brings an agent's copy at the runtime up to date: created once, overwritten, compared, moved, deleted.

use domain::agent::Agent;
use domain::agent::sync::{AgentCopied, AgentCopy, AgentSync, Difference, SyncCommand};
use domain::envelope::{Time, Version};
use domain::ids::{AgentId, AgentSyncId, ClientId};
use domain::origin::Origin;
use domain::ports::hosted::{HostedAgent, RemoteAgent};
use domain::ports::outbox::OutboxItem;
use domain::ports::telephony::CarrierError;

use super::{HostedDeps, SyncError};
use crate::context::CommandContext;
use crate::session::Session;

/// An agent's copy while it is worked on.
struct Desk<'a> {
    deps: &'a HostedDeps,
    client: ClientId,
    agent: AgentId,
    copy: Session<AgentSync>,
    context: CommandContext,
    /// Requests that there had been when the work was begun.
    asked: u64,
}

impl HostedDeps {
    async fn desk(&self, item: &OutboxItem, agent: AgentId) -> Result<Desk<'_>, SyncError> {
        let mut copy = Session::<AgentSync>::new(self.runtime.clone(), AgentSyncId::of(agent).stream());
        copy.refresh().await.map_err(|error| SyncError::Log(error.to_string()))?;
        let context = CommandContext::following("outbox", item.client, &item.cause);
        let asked = copy.state().asked();
        Ok(Desk { deps: self, client: item.client, agent, copy, context, asked })
    }

    /// Brings the copy of an agent to where the deployed version and the client's account want it. Whatever was done
    /// before is found again first: a repeat creates no second copy. `asked` becomes the number of requests answered.
    pub(crate) async fn sync_agent(&self, item: &OutboxItem, asked: &mut u64) -> Result<(), SyncError> {
        let id = AgentId(item.subject);
        // read before the agent and the account are: what changes later is asked for again
        let mut desk = self.desk(item, id).await?;
        *asked = desk.asked;
        let mut agent = Session::<Agent>::new(self.runtime.clone(), id.stream());
        agent.refresh().await.map_err(|error| SyncError::Log(error.to_string()))?;
        if agent.client() != Some(item.client) {
            return Ok(());
        }
        let deployed = agent.state().deployed().filter(|(_, terms)| terms.runtime.is_hosted());
        if let Some((version, terms)) = deployed {
            match self.agents.account(item.client).await? {
                Some(account) => {
                    let ours = self.hosted_agent(item.client, id, terms).await?;
                    desk.bring(account, version, &ours).await?;
                }
                None => {
                    let (code, now) = ("no_account".to_owned(), desk.now());
                    desk.tell(SyncCommand::Fail { code, answers: *asked, now }).await?
                }
            }
        } else if let Some(current) = desk.copy.state().current().cloned() {
            self.agents.delete(item.client, current.copy.account, &current.copy.remote_id).await?;
            desk.tell(SyncCommand::Remove { copy: current.copy, now: desk.now() }).await?;
        }
        desk.delete_left().await
    }

    /// Records that the copy cannot be made, which answers the first `answers` requests.
    pub(crate) async fn fail_sync(
        &self,
        item: &OutboxItem,
        code: &str,
        answers: u64,
    ) -> Result<(), SyncError> {
        let mut desk = self.desk(item, AgentId(item.subject)).await?;
        desk.tell(SyncCommand::Fail { code: code.to_owned(), answers, now: desk.now() }).await
    }

    /// Compares a copy with what was written there. Answers whether it is still the copy that was written at `at`.
    pub(crate) async fn check_agent(&self, item: &OutboxItem, at: Time) -> Result<bool, SyncError> {
        let id = AgentId(item.subject);
        let mut desk = self.desk(item, id).await?;
        let Some(current) = desk.copy.state().current().filter(|copied| copied.at == at).cloned() else {
            return Ok(false);
        };
        let mut agent = Session::<Agent>::new(self.runtime.clone(), id.stream());
        agent.refresh().await.map_err(|error| SyncError::Log(error.to_string()))?;
        let Some((version, terms)) = agent.state().deployed() else { return Ok(false) };
        // another version is being written just now
        if version == current.version {
            let ours = self.hosted_agent(item.client, id, terms).await?;
            let (account, remote_id) = (current.copy.account, &current.copy.remote_id);
            let found = self.agents.read(item.client, account, remote_id, &ours).await?;
            desk.compare(found.as_ref()).await?;
        }
        Ok(true)
    }

    /// Has every agent of a client synced that has a copy or should have one, because the account changed.
    pub(crate) async fn sync_account(&self, item: &OutboxItem) -> Result<(), SyncError> {
        let agents = self.catalogue.agents_of(item.client, item.position).await;
        let agents = agents.map_err(|error| SyncError::Log(error.to_string()))?;
        for agent in agents.ok_or(SyncError::NotYet("the view of agents is not there yet"))? {
            let mut desk = self.desk(item, agent).await?;
            // a first copy that is being made now may go to the account before
            if desk.copy.state().at().is_some() || self.is_hosted(agent).await? {
                let (origin, now) = (Origin::default(), desk.now());
                desk.tell(SyncCommand::Request { overwrite: true, origin, now }).await?;
            }
        }
        Ok(())
    }

    /// Whether the agent's deployed version runs at the runtime.
    async fn is_hosted(&self, agent: AgentId) -> Result<bool, SyncError> {
        let mut agent = Session::<Agent>::new(self.runtime.clone(), agent.stream());
        agent.refresh().await.map_err(|error| SyncError::Log(error.to_string()))?;
        Ok(agent.state().deployed().is_some_and(|(_, terms)| terms.runtime.is_hosted()))
    }
}

impl Desk<'_> {
    fn now(&self) -> Time {
        self.deps.runtime.clock.now()
    }

    async fn tell(&mut self, command: SyncCommand) -> Result<(), SyncError> {
        let told = self.copy.execute(&command, &self.context, None).await;
        told.map(|_| ()).map_err(|error| SyncError::Log(error.to_string()))
    }

    /// Writes the agent to its copy in this account, or creates it there.
    async fn bring(&mut self, account: u64, version: Version, ours: &HostedAgent) -> Result<(), SyncError> {
        let (agents, client) = (&self.deps.agents, self.client);
        let before = self.copy.state().current().cloned();
        let known = match &before {
            Some(before) => agents.read(client, account, &before.copy.remote_id, ours).await?,
            None => None,
        };
        let found = match known {
            Some(known) => Some(known),
            // the answer to a creation may have been lost
            None => agents.find(client, account, ours).await?,
        };
        let written_before = before.as_ref().filter(|before| {
            before.version == version
                && found.as_ref().is_some_and(|found| found.remote_id == before.copy.remote_id)
        });
        if written_before.is_some() {
            // whatever differs was edited there
            let wanted = self.copy.state().wanted();
            if wanted != Some(true) || found.as_ref().is_some_and(|found| !found.differences.is_empty()) {
                self.compare(found.as_ref()).await?;
            }
            let same_account = before.as_ref().is_some_and(|before| before.copy.account == account);
            let failed = self.copy.state().failure().is_some();
            if wanted == Some(false) || wanted.is_none() && same_account && !failed {
                return Ok(());
            }
        }
        let written = match found {
            None => agents.create(client, account, ours).await?,
            Some(found) => agents.update(client, account, &found.remote_id, ours).await?,
        };
        let RemoteAgent { remote_id, revision, .. } = written;
        let copy = AgentCopy { account, remote_id };
        let (answers, at) = (self.asked, self.now());
        self.tell(SyncCommand::Copy(AgentCopied { copy, version, revision, answers, at })).await
    }

    async fn compare(&mut self, found: Option<&RemoteAgent>) -> Result<(), SyncError> {
        let gone = || Difference { field: "agent".to_owned(), ours: self.agent.to_string(), theirs: None };
        let differences = found.map_or_else(|| vec![gone()], |found| found.differences.clone());
        self.tell(SyncCommand::Compare { differences, now: self.now() }).await
    }

    /// Deletes copies in accounts that the client used before. One whose account refuses stays listed.
    async fn delete_left(&mut self) -> Result<(), SyncError> {
        for copy in self.copy.state().left().to_vec() {
            match self.deps.agents.delete(self.client, copy.account, &copy.remote_id).await {
                Ok(()) => self.tell(SyncCommand::Remove { copy, now: self.now() }).await?,
                Err(error @ (CarrierError::Refused { .. } | CarrierError::NotConfigured)) => {
                    tracing::warn!(agent.id = %self.agent, %error, "an agent's copy stays in an account used before");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
