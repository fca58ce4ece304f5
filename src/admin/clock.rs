//! Service time, as a test sees it.

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::Admin;

/// `GET clock`.
pub(super) async fn show(State(admin): State<Admin>) -> Json<Value> {
    Json(json!({ "epoch_seconds": admin.app.domain().now() }))
}
