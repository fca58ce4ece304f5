//! Streams that are to be there from the start, made by the same commands as those of the API.
//!
//! What is absent is made, consumers and the encryption of streams that are there included: no
//! start that failed in between leaves records in the clear. What is there stays as it is; where
//! the configuration file says otherwise, a warning tells the difference.

use std::sync::Arc;

use millpond_api::types::{RecordDistributionStrategy, StreamMode, StreamStatus};
use millpond_quotas::limits;
use millpond_shards::{
    Error as Fact,
    directory::Stream,
    state::{Command, ConsumerCommand, NewMode, NewStream, PolicyCommand, Resource},
    stream::{Namespace, StreamState, on_demand::OnDemand},
};

use super::App;
use crate::{
    config::{Declaration, DeclaredConsumer, DeclaredMode},
    policy::Policy,
    process::StartError,
};

impl App {
    /// Makes the streams of the configuration that are absent: all, or those of one account and
    /// region.
    ///
    /// # Errors
    /// When one can't be made, with its name and why.
    pub async fn make_streams(&self, only: Option<&Namespace>) -> Result<(), StartError> {
        for stream in &self.streams {
            if only.is_none_or(|namespace| *namespace == Namespace::of(&stream.arn)) {
                self.make(stream).await?;
            }
        }
        Ok(())
    }

    async fn make(&self, declared: &Declaration) -> Result<(), StartError> {
        let name = &declared.arn.name;
        let failed = |error: Fact| {
            StartError::new(format!("stream {name} can't be set up as declared: {error}"))
        };
        match self.submit(self.create(declared)).await {
            Ok(()) => self.set_up(declared).await.map_err(failed)?,
            Err(Fact::StreamExists { .. }) => {
                let stream = self.find(declared)?;
                if is_unencrypted(stream.state()) {
                    self.encrypt(declared).await.map_err(failed)?;
                }
                tell_differences(declared, self.find(declared)?.state());
            }
            Err(error) => {
                return Err(StartError::new(format!("stream {name} can't be made: {error}")));
            }
        }
        for consumer in &declared.consumers {
            self.register(declared, consumer).await?;
        }
        Ok(())
    }

    fn create(&self, declared: &Declaration) -> Command {
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
        Command::CreateStream(NewStream {
            arn: declared.arn.clone(),
            mode,
            max_record_kib: size,
            tags: declared.tags.clone().unwrap_or_default().into_iter().collect(),
            now,
            // Nobody has asked for it yet who would have to wait.
            due: now,
        })
    }

    /// What a new stream has beside its shards. Each command has taken effect when it is answered.
    async fn set_up(&self, declared: &Declaration) -> Result<(), Fact> {
        let (stream, now) = (declared.arn.clone(), self.domain.now());
        if let Some(hours) = declared.retention_hours
            && hours > limits::RETENTION_DEFAULT_HOURS
        {
            let stream = stream.clone();
            self.submit(Command::IncreaseRetention { stream, hours, now, due: now }).await?;
        }
        if let Some(policy) = &declared.policy {
            let (resource, policy) = (Resource::Stream(stream), policy.as_str().into());
            self.submit(Command::Policy(PolicyCommand::Put { resource, policy })).await?;
        }
        // Last: what needs others than this server may fail, and is made up for.
        self.encrypt(declared).await
    }

    /// Starts the declared encryption, if there is one.
    async fn encrypt(&self, declared: &Declaration) -> Result<(), Fact> {
        let Declaration { arn, encryption_key: Some(key_id), .. } = declared else { return Ok(()) };
        let (stream, now) = (Namespace::of(arn), self.domain.now());
        let stream = self.domain.directory().stream(&stream, &arn.name)?;
        self.domain.crypt().start(&stream, key_id, now, now).await
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

/// Whether encryption is off, and may be started.
fn is_unencrypted(state: &StreamState) -> bool {
    state.encryption.key_id.is_none() && state.status == StreamStatus::Active
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
