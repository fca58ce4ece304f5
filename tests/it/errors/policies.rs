//! Errors of resource policies.

use serde_json::{Value, json};

use super::case::{Case, Scene, refused};
use crate::server::{START_MILLIS, TestServer};

const POLICY: &str = r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "*",
    "Resource": "*"}}"#;

pub(super) fn cases() -> Vec<Case> {
    let unsure = "(unsure: ResourceNotFoundException or AccessDeniedException)";
    let deleted = "no policy attached or policy deleted: NOT an error";
    vec![
        Case::new(
            "PutResourcePolicy",
            "consumer not ACTIVE",
            "ResourceInUseException",
            |codec| async move {
                let server = Scene::Active.set(codec).await;
                let consumer = server.register("clicks", "reader").await;
                let input = json!({"ResourceARN": consumer, "Policy": POLICY});
                refused(&server, "PutResourcePolicy", input).await
            },
        )
        .fill("name", "reader")
        .fill("epochSeconds", (START_MILLIS + 3_600_000) / 1000),
        Case::new("PutResourcePolicy", "unknown stream ARN", unsure, |codec| async move {
            let server = Scene::Empty.set(codec).await;
            let mut input = on_clicks(&server);
            input["Policy"] = json!(POLICY);
            refused(&server, "PutResourcePolicy", input).await
        }),
        Case::excused("GetResourcePolicy", deleted, "", "it is no error"),
        Case::new(
            "DeleteResourcePolicy",
            "no policy attached",
            "ResourceNotFoundException (code unsure)",
            |codec| async move {
                let server = Scene::Active.set(codec).await;
                refused(&server, "DeleteResourcePolicy", on_clicks(&server)).await
            },
        ),
    ]
}

fn on_clicks(server: &TestServer) -> Value {
    json!({"ResourceARN": server.arn("clicks")})
}
