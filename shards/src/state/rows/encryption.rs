//! A stream's encryption in its row. Master keys are not in it, nor data keys that anybody but the
//! key service could open.

use millpond_api::types::Timestamp;
use minicbor::{Decode, Encode};

use crate::stream::{
    Namespace, StreamNumber,
    encryption::{DataKey, DataKeyNumber, Encryption, Origin},
};

#[derive(Encode, Decode, Default)]
pub(super) struct EncryptionRow {
    #[n(0)]
    key_id: Option<String>,
    #[n(1)]
    data_keys: Vec<DataKeyRow>,
    #[n(2)]
    next_data_key: u32,
    #[n(3)]
    starts: Vec<i64>,
    #[n(4)]
    stops: Vec<i64>,
}

#[derive(Encode, Decode)]
struct DataKeyRow {
    #[n(0)]
    number: u32,
    #[n(1)]
    key_id: String,
    #[cbor(n(2), with = "minicbor::bytes")]
    wrapped: Vec<u8>,
    #[n(3)]
    leases: u16,
    #[n(4)]
    retired: Option<i64>,
    /// Keys that were made for their own stream don't have it.
    #[n(5)]
    origin: Option<OriginRow>,
}

/// Number, account, region and name.
type OriginRow = (u32, String, String, String);

impl EncryptionRow {
    /// `None` for a stream that never was encrypted, whose row is as it always was.
    pub(super) fn of(encryption: &Encryption) -> Option<Self> {
        let row = |(number, key): (&DataKeyNumber, &DataKey)| DataKeyRow {
            number: number.0,
            key_id: key.key_id.clone(),
            wrapped: key.wrapped.clone(),
            leases: key.leases,
            retired: key.retired.map(Timestamp::millis),
            origin: key.origin.as_ref().map(origin_row),
        };
        let millis = |times: &[Timestamp]| times.iter().map(|at| at.millis()).collect();
        (*encryption != Encryption::default()).then(|| Self {
            key_id: encryption.key_id.clone(),
            data_keys: encryption.data_keys.iter().map(row).collect(),
            next_data_key: encryption.next_data_key,
            starts: millis(&encryption.starts),
            stops: millis(&encryption.stops),
        })
    }

    pub(super) fn into_encryption(self) -> Option<Encryption> {
        let times = |millis: Vec<i64>| millis.into_iter().map(Timestamp::from_millis).collect();
        let data_keys: Option<_> = self.data_keys.into_iter().map(DataKeyRow::into_key).collect();
        Some(Encryption {
            key_id: self.key_id,
            data_keys: data_keys?,
            next_data_key: self.next_data_key,
            starts: times(self.starts),
            stops: times(self.stops),
        })
    }
}

impl DataKeyRow {
    fn into_key(self) -> Option<(DataKeyNumber, DataKey)> {
        let retired = self.retired.map(Timestamp::from_millis);
        let origin = match self.origin {
            Some(row) => Some(origin(row)?),
            None => None,
        };
        let Self { number, key_id, wrapped, leases, .. } = self;
        Some((DataKeyNumber(number), DataKey { key_id, wrapped, leases, retired, origin }))
    }
}

fn origin_row(Origin { number, arn }: &Origin) -> OriginRow {
    (number.0, arn.account.to_string(), arn.region.to_string(), arn.name.to_string())
}

fn origin((number, account, region, name): OriginRow) -> Option<Origin> {
    let namespace = Namespace { account: account.parse().ok()?, region: region.parse().ok()? };
    Some(Origin { number: StreamNumber(number), arn: namespace.arn(name.parse().ok()?) })
}
