//! The crate without the server: reads a request as Kinesis would, and writes the answer.

use millpond_api::{
    Codec,
    operations::{PutRecord, PutRecordOutput},
    types::{SequenceNumber, ShardId},
};

fn main() {
    let requests = [
        r#"{"StreamName":"clicks","PartitionKey":"user-1","Data":"aGVsbG8="}"#,
        r#"{"StreamName":"clicks","PartitionKey":"","Data":"aGVsbG8=","ExplicitHashKey":"x"}"#,
        r#"{"StreamName":"clicks","PartitionKey":7,"Data":"aGVsbG8="}"#,
    ];
    for request in requests {
        println!("> {request}");
        let answer = match Codec::Json.decode::<PutRecord>(request.as_bytes()) {
            Ok(input) => {
                println!("  {} bytes for {:?}", input.data.len(), input.stream().name);
                let shard_id = ShardId::new(0);
                let output = PutRecordOutput {
                    shard_id,
                    sequence_number: SequenceNumber {
                        shard_created: 1_700_000_000,
                        index: 1,
                        arrival: 1_700_000_000,
                        shard: shard_id,
                    },
                    encryption_type: None,
                };
                Codec::Json.encode(&output)
            }
            Err(error) => error.encode(Codec::Json),
        };
        println!("< {}", String::from_utf8_lossy(&answer));
    }
}
