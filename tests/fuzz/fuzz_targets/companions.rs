//! Any bytes as a call to CloudWatch: the first says the operation, the second the protocol. What
//! is read can be written and read again, and what the operation answers can be written.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use millpond::{
    auth::{Caller, Service},
    companions::{
        Call, Operation,
        cloudwatch::MetricStore,
        wire::{Answer, Wire},
    },
};
use millpond_api::types::Timestamp;

/// 2023-11-14T22:13:20Z, of which the seeds are.
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fuzz_target!(|bytes: &[u8]| {
    let [operation, wire, body @ ..] = bytes else { return };
    let operation = match operation {
        b'p' => Operation::PutMetricData,
        b'g' => Operation::GetMetricData,
        b'l' => Operation::ListMetrics,
        _ => return,
    };
    let wire = match wire {
        b'q' => Wire::Query,
        b'j' => Wire::Json,
        b'c' => Wire::Cbor,
        _ => return,
    };
    let Ok(input) = wire.read(body) else { return };
    let answer = |output| Answer { service: Service::CloudWatch, operation: "Any", output };
    for wire in [Wire::Json, Wire::Cbor] {
        let written = wire.write(answer(Some(input.clone())), "id");
        assert!(wire.read(&written).is_ok(), "{wire:?} can't be read again");
    }
    let caller = Caller {
        account: "111111111111".parse().expect("twelve digits"),
        region: "us-east-1".parse().expect("a region"),
        access_key_id: Arc::from("AKIDEXAMPLE"),
        identity: None,
    };
    let metrics = MetricStore::default();
    let call = Call { caller: &caller, origin: None, now: NOW, metrics: &metrics, input: &input };
    if let Ok(output) = operation.serve(&call) {
        for wire in [Wire::Query, Wire::Json, Wire::Cbor] {
            let written = wire.write(answer(output.clone()), "id");
            assert_eq!(written.is_empty(), wire == Wire::Cbor && output.is_none());
        }
    }
});
