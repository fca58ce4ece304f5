//! Streams that are to be there from the start, made by the same commands as those of the API.
//!
//! What is absent is made, consumers of streams that are there included: a stream at once, with
//! all that it is declared to have, so that no start that fails leaves a part of it. What is there
//! stays as it is; where the configuration file says otherwise, a warning tells the difference.

use std::sync::Arc;

use millpond_api::types::{RecordDistributionStrategy, StreamMode};
use millpond_quotas::limits;
use millpond_shards::{
    Error as Fact,
    directory::Stream,
    state::{Command, ConsumerCommand, NewMode, NewStream, PolicyCommand, Provisions, Resource},
    stream::{Namespace, StreamState, on_demand::OnDemand},
};

use super::App;
use crate::{
    config::{Declaration, DeclaredConsumer, DeclaredMode},
    policy::Policy,
    process::StartError,
};

impl App {
    /// Makes the streams of the configuration that are absent.
    ///
    /// # Errors
    /// When one can't be made, with its name and why.
    pub(super) async fn make_streams(&self) -> Result<(), StartError> {
        for declared in &self.streams {
            match self.find(declared) {
                Ok(stream) => tell_differences(declared, stream.state()),
                Err(_) => self.make(declared, self.planned(declared).await?).await?,
            }
            self.register_consumers(declared).await?;
        }
        Ok(())
    }

    /// What makes the streams of the configuration where none is. What others than this server
    /// have to give for it was given.
    ///
    /// # Errors
    /// Those of `make_streams`.
    pub(super) async fn planned_streams(&self) -> Result<Vec<Command>, StartError> {
        let mut planned = Vec::new();
        for declared in &self.streams {
            planned.push(self.planned(declared).await?);
        }
        Ok(planned)
    }

    /// Makes the streams of the configuration where none is, as they were planned.
    ///
    /// # Errors
    /// Those of `make_streams`.
    pub(super) async fn make_planned(&self, planned: Vec<Command>) -> Result<(), StartError> {
        for (declared, command) in self.streams.iter().zip(planned) {
            self.make(declared, command).await?;
            self.register_consumers(declared).await?;
        }
        Ok(())
    }

    async fn make(&self, declared: &Declaration, planned: Command) -> Result<(), StartError> {
        self.submit(planned).await.map_err(|fault| not_made(declared, &fault))
    }

    async fn register_consumers(&self, declared: &Declaration) -> Result<(), StartError> {
        for consumer in &declared.consumers {
            self.register(declared, consumer).await?;
        }
        Ok(())
    }

    async fn planned(&self, declared: &Declaration) -> Result<Command, StartError> {
        let now = self.domain.now();
        let size = declared.max_record_kib.unwrap_or(limits::RECORD_SIZE_DEFAULT_KIB as u32);
        let mode = match declared.mode {
            Some(DeclaredMode::Provisioned(shards)) => {
                NewMode::Provisioned { shards: shards.into() }
            }
            Some(DeclaredMode::OnDemand) => {
                let by_key = RecordDistributionStrategy::UserPartitionKey;
                NewMode::OnDemand(OnDemand::new(by_key, None))
            }
            None => NewMode::Provisioned { shards: declared.shards_unsaid },
        };
        let stream = NewStream {
            arn: declared.arn.clone(),
            mode,
            max_record_kib: size,
            tags: declared.tags.clone().unwrap_or_default().into_iter().collect(),
            now,
            // Nobody has asked for it yet who would have to wait.
            due: now,
        };
        let retention_hours = declared.retention_hours.unwrap_or(limits::RETENTION_DEFAULT_HOURS);
        let policy = declared.policy.as_ref().map(|policy| policy.as_str().into());
        let encryption = match &declared.encryption_key {
            None => None,
            Some(key_id) => {
                let key = self.domain.crypt().new_data_key(key_id, &declared.arn).await;
                Some((key_id.clone(), key.map_err(|fault| not_made(declared, &fault))?))
            }
        };
        let provisions = Provisions { retention_hours, policy, encryption };
        Ok(Command::DeclareStream(stream, Box::new(provisions)))
    }

    async fn register(
        &self,
        declared: &Declaration,
        consumer: &DeclaredConsumer,
    ) -> Result<(), StartError> {
        let DeclaredConsumer { name, tags, policy } = consumer;
        if self.find(declared)?.state().consumers.contains_key(name) {
            return Ok(());
        }
        let failed = |error: Fact| {
            let stream = &declared.arn.name;
            StartError::new(format!("stream {stream}: consumer {name} can't be made: {error}"))
        };
        let (stream, now) = (declared.arn.clone(), self.domain.now());
        let tags = tags.clone().into_iter().collect();
        let name = name.clone();
        let register = ConsumerCommand::Register { stream, name, tags, now, due: now };
        self.submit(Command::Consumer(register)).await.map_err(failed)?;
        let Some(policy) = policy else { return Ok(()) };
        let stream = self.find(declared)?;
        let Some(consumer) = stream.state().consumers.get(&consumer.name) else { return Ok(()) };
        let arn = consumer.arn();
        Policy::of_resource(policy, &arn.to_string()).map_err(|fault| {
            let (stream, consumer) = (&arn.stream.name, &arn.name);
            StartError::refused(format!(
                "stream {stream}: consumer {consumer}: policy is not valid: {fault}; as its ARN \
                 ends with the time at which it was registered, name it with a * there"
            ))
        })?;
        let (resource, policy) = (Resource::Consumer(arn), policy.as_str().into());
        let put = PolicyCommand::Put { resource, policy };
        self.submit(Command::Policy(put)).await.map_err(failed)
    }

    fn find(&self, declared: &Declaration) -> Result<Arc<Stream>, StartError> {
        let arn = &declared.arn;
        let found = self.domain.directory().stream(&Namespace::of(arn), &arn.name);
        found.map_err(StartError::new)
    }

    async fn submit(&self, command: Command) -> Result<(), Fact> {
        self.domain.control().submit(command).await
    }
}

fn not_made(declared: &Declaration, fault: &Fact) -> StartError {
    StartError::new(format!("stream {} can't be made as declared: {fault}", declared.arn.name))
}

/// Warns of what a stream has otherwise than the configuration file says.
fn tell_differences(declared: &Declaration, state: &StreamState) {
    let Some(file) = &declared.file else { return };
    let differences = differences(declared, state);
    if !differences.is_empty() {
        let (stream, differences) = (state.arn.to_string(), differences.join("; "));
        tracing::warn!(
            stream,
            file,
            differences,
            "this stream is not as declared, and stays as it is"
        );
    }
}

fn differences(declared: &Declaration, state: &StreamState) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |field: &str, is: &str, said: Option<String>| {
        if let Some(said) = said.filter(|said| said != is) {
            found.push(format!("{field} is {is}, declared {said}"));
        }
    };
    let (mode, shards) = match declared.mode {
        Some(DeclaredMode::OnDemand) => (Some("on-demand"), None),
        Some(DeclaredMode::Provisioned(shards)) => (Some("provisioned"), Some(shards)),
        None => (None, None),
    };
    let is = match state.mode() {
        StreamMode::OnDemand => "on-demand",
        StreamMode::Provisioned => "provisioned",
    };
    compare("mode", is, mode.map(str::to_owned));
    let open = state.open_shards().count();
    compare("shards", &open.to_string(), shards.map(|shards| shards.to_string()));
    let (hours, size) = (state.retention_hours, state.max_record_kib);
    compare("retention-hours", &hours.to_string(), declared.retention_hours.map(|h| h.to_string()));
    compare("max-record-kib", &size.to_string(), declared.max_record_kib.map(|k| k.to_string()));
    let key = state.encryption.key_id.as_deref().unwrap_or("none");
    compare("encryption-key", key, declared.encryption_key.clone());
    let tags = declared.tags.as_ref().filter(|tags| **tags != state.tags);
    compare("tags", &format!("{:?}", state.tags), tags.map(|tags| format!("{tags:?}")));
    if let Some(policy) = &declared.policy
        && state.policy.as_deref() != Some(policy.as_str())
    {
        found.push("policy is another".to_owned());
    }
    found
}
