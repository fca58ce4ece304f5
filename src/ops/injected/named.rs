//! What a request names, read from its body without knowing the operation: the few members that do
//! have the same name in all of them.

use std::{borrow::Cow, fmt};

use millpond_api::{
    OperationId,
    types::{ConsumerArn, HashKey, ShardId, StreamArn},
};
use millpond_shards::{
    directory::Stream,
    stream::{Namespace, routing},
};
use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

use crate::{
    faults::{Call, RecordFace},
    ops::{Cx, get_records, list_shards},
};

/// The members that name something.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Named<'a> {
    #[serde(borrow)]
    stream_name: Text<'a>,
    #[serde(rename = "StreamARN", borrow)]
    stream_arn: Text<'a>,
    #[serde(rename = "ConsumerARN", borrow)]
    consumer_arn: Text<'a>,
    #[serde(rename = "ResourceARN", borrow)]
    resource_arn: Text<'a>,
    #[serde(borrow)]
    consumer_name: Text<'a>,
    #[serde(borrow)]
    shard_id: Text<'a>,
    #[serde(borrow)]
    shard_to_split: Text<'a>,
    #[serde(borrow)]
    shard_to_merge: Text<'a>,
    #[serde(borrow)]
    pub(super) shard_iterator: Text<'a>,
    #[serde(borrow)]
    next_token: Text<'a>,
    #[serde(borrow)]
    records: Vec<NamedRecord<'a>>,
}

/// The members of a record of PutRecords, and of PutRecord's body.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct NamedRecord<'a> {
    #[serde(borrow)]
    partition_key: Text<'a>,
    #[serde(borrow)]
    explicit_hash_key: Text<'a>,
}

impl<'a> Named<'a> {
    /// What a body that was decoded already names.
    pub(super) fn read(cx: &Cx<'_>, body: &'a [u8]) -> Self {
        let mut named: Self = cx.codec().glimpse(body).unwrap_or_default();
        match cx.operation() {
            OperationId::PutRecords => {}
            OperationId::PutRecord => {
                named.records = vec![cx.codec().glimpse(body).unwrap_or_default()];
            }
            _ => named.records.clear(),
        }
        named
    }

    /// The call that names this.
    pub(super) fn call(&self, cx: &Cx<'_>) -> Call {
        let operation = cx.operation();
        let arn = self.arn(cx);
        let iterator = self.shard_iterator.0.as_deref();
        let iterator = iterator.and_then(|text| get_records::opened(cx, text));
        let shard = [&self.shard_id, &self.shard_to_split, &self.shard_to_merge];
        let shard = shard.into_iter().find_map(|id| id.0.as_deref()?.parse::<ShardId>().ok());
        let namespace = arn.as_ref().map_or_else(|| cx.namespace().clone(), Namespace::of);
        let stream = arn.as_ref().and_then(|arn| cx.find(arn).ok());
        let records = self.records.iter().map(|record| record.face(stream.as_deref())).collect();
        Call {
            operation,
            account: namespace.account,
            region: namespace.region,
            stream: arn.map(|arn| arn.name),
            shard: iterator.map(|iterator| iterator.shard).or(shard),
            consumer: self.consumer(),
            records,
        }
    }

    /// The consumer's ARN, where it is named so.
    pub(super) fn consumer_arn(&self) -> Option<ConsumerArn> {
        self.consumer_arn.parsed(|text| text.parse().ok())
    }

    /// The stream: by an ARN, of which that is what counts, or an iterator or token, or by name.
    fn arn(&self, cx: &Cx<'_>) -> Option<StreamArn> {
        let of_stream = |text: &str| text.parse::<StreamArn>().ok();
        let of_consumer = |text: &str| Some(text.parse::<ConsumerArn>().ok()?.stream);
        let named = |text: &str| Some(cx.namespace().arn(text.parse().ok()?));
        let iterator = |text: &str| Some(get_records::opened(cx, text)?.arn);
        let token = |text: &str| list_shards::stream_of(cx, text);
        self.stream_arn
            .parsed(of_stream)
            .or_else(|| self.consumer_arn.parsed(of_consumer))
            .or_else(|| self.resource_arn.parsed(|text| of_stream(text).or(of_consumer(text))))
            .or_else(|| self.stream_name.parsed(named))
            .or_else(|| self.shard_iterator.parsed(iterator))
            .or_else(|| self.next_token.parsed(token))
    }

    fn consumer(&self) -> Option<String> {
        let of_arn = |text: &str| Some(text.parse::<ConsumerArn>().ok()?.name);
        self.consumer_arn
            .parsed(of_arn)
            .or_else(|| self.resource_arn.parsed(of_arn))
            .or_else(|| self.consumer_name.parsed(|name| Some(name.to_owned())))
    }
}

impl NamedRecord<'_> {
    /// The record, with its shard unless the service picks that.
    fn face(&self, stream: Option<&Stream>) -> RecordFace {
        let stream = stream.filter(|stream| !stream.state().spreads_records());
        let explicit = self.explicit_hash_key.parsed(|text| text.parse::<HashKey>().ok());
        let key = self.partition_key.0.as_deref();
        let hash = explicit.or_else(|| key.map(routing::hash_key));
        let shard = stream.zip(hash).and_then(|(stream, hash)| stream.routing().shard_of(hash));
        RecordFace { partition_key: key.map(str::to_owned), shard: shard.map(|shard| shard.id()) }
    }
}

/// A text, if there is one.
#[derive(Default)]
pub(super) struct Text<'a>(pub(super) Option<Cow<'a, str>>);

impl Text<'_> {
    fn parsed<T>(&self, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        self.0.as_deref().and_then(parse)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_unit<E: Error>(self) -> Result<Text<'de>, E> {
        Ok(Text(None))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Some(Cow::Borrowed(text))))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Some(Cow::Owned(text.to_owned()))))
    }
}
