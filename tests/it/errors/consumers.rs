//! Errors of consumers.

use serde_json::{Value, json};

use super::case::{Case, Scene, refused};
use crate::server::TestServer;

const NOT_FOUND: &str = "ResourceNotFoundException";
const IN_USE: &str = "ResourceInUseException";
const INVALID: &str = "InvalidArgumentException";
const LIMIT: &str = "LimitExceededException";

pub(super) fn cases() -> Vec<Case> {
    let delete = "consumers registered and EnforceConsumerDeletion not true";
    let neither = "neither ConsumerARN nor StreamARN + ConsumerName";
    vec![
        Case::new("DeleteStream", delete, IN_USE, |codec| async move {
            let server = Scene::Active.set(codec).await;
            server.register("clicks", "reader").await;
            refused(&server, "DeleteStream", json!({"StreamName": "clicks"})).await
        }),
        Case::new(
            "RegisterStreamConsumer",
            "name already registered",
            IN_USE,
            |codec| async move {
                let server = Scene::Active.set(codec).await;
                server.register("clicks", "reader").await;
                refused(&server, "RegisterStreamConsumer", reader(&server)).await
            },
        ),
        Case::new(
            "RegisterStreamConsumer",
            "too many consumers or 6th CREATING",
            LIMIT,
            |codec| async move {
                let server = Scene::Active.set(codec).await;
                for n in 0..5 {
                    server.register("clicks", &n.to_string()).await;
                }
                refused(&server, "RegisterStreamConsumer", reader(&server)).await
            },
        ),
        Case::new("DescribeStreamConsumer", "unknown consumer", NOT_FOUND, |codec| async move {
            let server = Scene::Active.set(codec).await;
            refused(&server, "DescribeStreamConsumer", reader(&server)).await
        }),
        Case::call("DeregisterStreamConsumer", neither, INVALID, Scene::Active, json!({})),
        Case::call("DescribeStreamConsumer", neither, INVALID, Scene::Active, json!({})),
    ]
}

fn reader(server: &TestServer) -> Value {
    json!({"StreamARN": server.arn("clicks"), "ConsumerName": "reader"})
}
