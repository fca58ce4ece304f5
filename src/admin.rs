//! The admin API under `/_millpond/`: what a test or an operator may do that no client of Kinesis
//! can. JSON in and out; a refusal is `{"message": "…"}`.
//!
//! A route is one line in [`router`]; what it does stands in the file of its area.

mod access;
mod clock;
mod fault;
mod faults;
mod input;
mod records;
mod state;
mod streams;
mod throttles;
mod token;

use std::sync::Arc;

use axum::{
    Router, middleware,
    routing::{get, post},
};
use http::{Method, Uri};
use millpond_shards::stream::Namespace;

use crate::app::App;

pub use access::Access;
pub use fault::{Fault, Result};
pub use input::{Input, Scope};
pub use token::{TOKEN_FILE, TokenFault, kept_token, token};

/// What the path of every request to the admin API begins with.
pub const PATH: &str = "/_millpond";

/// What the handlers of all areas work on.
#[derive(Clone)]
pub struct Admin {
    app: Arc<App>,
    home: Namespace,
}

impl Admin {
    /// The admin API of `app`, for which `home` is where requests mean that name no account or
    /// region.
    #[must_use]
    pub fn new(app: Arc<App>, home: Namespace) -> Self {
        Self { app, home }
    }
}

/// Everything under [`PATH`] that isn't a probe.
pub fn router(admin: Admin, access: Access) -> Router {
    if matches!(access, Access::Off) {
        return Router::new().fallback(async || Fault::off());
    }
    Router::new()
        .route("/clock", get(clock::show))
        .route("/clock/advance", post(clock::advance))
        .route("/clock/set", post(clock::set))
        .route("/clock/pause", post(clock::pause))
        .route("/clock/resume", post(clock::resume))
        .route("/streams", get(streams::list))
        .route("/streams/{name}", get(streams::describe))
        .route("/streams/{name}/shards", get(streams::shards))
        .route("/streams/{name}/records", get(records::read).post(records::put))
        .route("/fork", post(state::fork_account))
        .route("/reset", post(state::reset))
        .route("/restore", post(state::restore))
        .route("/snapshot", post(state::snapshot))
        .route("/streams/{name}/fork", post(state::fork))
        .route("/streams/{name}/truncate", post(state::truncate))
        .route("/faults", get(faults::show).put(faults::put).delete(faults::clear))
        .route("/throttles", get(throttles::show).delete(throttles::clear))
        .fallback(async |method: Method, uri: Uri| Fault::no_endpoint(&method, &uri))
        .method_not_allowed_fallback(async |method: Method, uri: Uri| {
            Fault::not_allowed(&method, &uri)
        })
        .layer(middleware::from_fn_with_state(Arc::new(access), access::guard))
        .with_state(admin)
}
