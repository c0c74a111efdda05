//! For whoever stands on the machine: what is in force, and how much is logged.
//!
//! It asks nobody who he is, so it is on the loopback interface alone. It changes one thing, the log level; no decision
//! can be changed here. What it shows holds no secret: settings come masked, and policies by their names.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;

use crate::sources::Bundles;
use crate::telemetry::Level;

/// What is shown and changed.
pub struct Admin {
    /// The settings, each with its origin.
    pub settings: Value,
    /// The bundle in force.
    pub bundles: Bundles,
    /// What is logged.
    pub level: Level,
}

const PATHS: &str = "\
GET /config      the settings in force, and where each was set
GET /policies    the bundle in force, and what is wrong with what stands in the folder
GET /log-level   what is logged; PUT another level or filter to change it
";

/// Serves `/config`, `/policies` and `/log-level`.
pub fn router(admin: Admin) -> Router {
    Router::new()
        .route("/", get(|| std::future::ready(PATHS)))
        .route("/config", get(config))
        .route("/policies", get(policies))
        .route("/log-level", get(level).put(set_level))
        .with_state(Arc::new(admin))
}

async fn config(State(admin): State<Arc<Admin>>) -> Response {
    Json(&admin.settings).into_response()
}

async fn policies(State(admin): State<Arc<Admin>>) -> Response {
    Json(admin.bundles.status()).into_response()
}

async fn level(State(admin): State<Arc<Admin>>) -> String {
    admin.level.get() + "\n"
}

async fn set_level(State(admin): State<Arc<Admin>>, filter: String) -> Response {
    let filter = filter.trim();
    match admin.level.set(filter) {
        Ok(()) => {
            tracing::warn!(filter, "the log level was changed");
            format!("{filter}\n").into_response()
        }
        Err(_) => {
            let text = "neither a level (error, warn, info, debug, trace) nor a filter such as info,tollgate=debug\n";
            (StatusCode::BAD_REQUEST, text).into_response()
        }
    }
}
