//! Faults as data: what shall go wrong, put in force, listed with what it has done, and cleared.

use axum::{
    Json,
    extract::{Request, State},
};
use http::{HeaderMap, header};
use serde_json::Value;

use super::{
    Admin, Fault, Input, Result,
    input::{self, Nothing, Params},
};
use crate::faults::{Format, InvalidScript, SCRIPT_BYTES_MAX, Script};

/// `GET faults`.
pub(super) async fn show(
    State(admin): State<Admin>,
    _: Params<Nothing>,
    _: Input<Nothing>,
) -> Json<Value> {
    Json(admin.app.faults().report())
}

/// `PUT faults`: the script takes the place of the one before, whose counts are gone. One that
/// can't be read changes nothing.
pub(super) async fn put(
    State(admin): State<Admin>,
    _: Params<Nothing>,
    request: Request,
) -> Result<Json<Value>> {
    let format = format(request.headers());
    let body = input::body(request, SCRIPT_BYTES_MAX).await?;
    let text = std::str::from_utf8(&body);
    let text = text.map_err(|_| Fault::invalid("the script is no UTF-8"))?;
    let text = if text.is_empty() && format == Format::Json { "{}" } else { text };
    let script = Script::read(text, format)?;
    admin.app.faults().replace(script);
    tracing::info!(faults = admin.app.faults().count(), "faults are injected from now on");
    Ok(Json(admin.app.faults().report()))
}

/// `DELETE faults`.
pub(super) async fn clear(
    State(admin): State<Admin>,
    _: Params<Nothing>,
    _: Input<Nothing>,
) -> Json<Value> {
    admin.app.faults().clear();
    tracing::info!("no faults are injected from now on");
    Json(admin.app.faults().report())
}

/// JSON, whatever the media type, unless that says TOML.
fn format(headers: &HeaderMap) -> Format {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = media_type.and_then(|value| value.split(';').next()).unwrap_or_default();
    if media_type.trim().eq_ignore_ascii_case("application/toml") {
        Format::Toml
    } else {
        Format::Json
    }
}

impl From<InvalidScript> for Fault {
    fn from(invalid: InvalidScript) -> Self {
        Self::invalid(invalid.to_string())
    }
}
