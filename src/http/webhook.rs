//! The admission webhook: tells the API server of Kubernetes whether a ConfigMap with policies may be stored.
//!
//! `POST /validate` takes an `AdmissionReview` (admission.k8s.io/v1) and answers with one. It changes nothing, remembers nothing
//! and asks nobody. What cannot be judged is an HTTP error and never an allow: what the API server makes of an error is its
//! operator's choice (`failurePolicy`), and pods check what they read in any case. What it holds at once is bounded.

mod config_map;
mod metrics;
mod review;
mod room;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures_util::StreamExt as _;
use http_body::Body as _;
pub use metrics::Metrics;
use review::Malformed;
pub use review::{Answered, answer};
use room::{Held, Room};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::Bounds;

/// Why a review has no answer.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error("a review comes as `application/json`")]
    NoJson,
    #[error("a review has at most {MAX_BODY} bytes")]
    TooLarge,
    #[error("the review did not come within {READ_WITHIN:?}")]
    TooSlow,
    #[error("the review was cut off")]
    CutOff,
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("the review could not be judged: this is a fault of ours, please report it")]
    Failed,
}

/// A ConfigMap has 1 MiB, a review the old one and the new one. The API server escapes line ends, quotes and `<>&`, and adds
/// what `kubectl` keeps in an annotation (256 KiB) and who set which field.
const MAX_BODY: usize = 8 * 1024 * 1024;
/// As much of a body is read in any case, and most reviews have no more: who sends little, and slowly, keeps nobody waiting.
const SMALL: usize = 32 * 1024;
/// What larger bodies hold together while they come, and until they are judged. Who sends slowly holds what has come, and no more.
const COMING: usize = MAX_BODY;
/// Larger bodies beside these, for which there was no room: each may have all that a body may.
const WHOLE_AT_ONCE: usize = 1;
/// Judging takes a core, and many times what is judged; more reviews at once would only hold memory.
const JUDGED_AT_ONCE: usize = 1;
/// For a body, without the time in which it waited for room. The API server sends in one go, and mostly waits for five seconds:
/// who fills the room with large bodies and does not end them keeps others from it for so long each time, and no longer.
const READ_WITHIN: Duration = Duration::from_secs(2);

/// Three API servers have a few connections each. As most clients in Go they let go of one after 90 seconds: if we did so first, a
/// request might be under way.
pub const BOUNDS: Bounds = Bounds { connections: 256, waiting: 192, head: Duration::from_mins(2), ..Bounds::PAGES };

struct Webhook {
    room: Room,
    judging: Arc<Semaphore>,
    metrics: Metrics,
}

/// Serves `/validate`.
pub fn router(metrics: Metrics) -> Router {
    let (room, judging) = (Room::new(COMING, WHOLE_AT_ONCE), Arc::new(Semaphore::new(JUDGED_AT_ONCE)));
    let webhook = Webhook { room, judging, metrics };
    Router::new().route("/validate", post(validate)).with_state(Arc::new(webhook))
}

async fn validate(State(webhook): State<Arc<Webhook>>, request: Request) -> Response {
    match webhook.review(request).await {
        Ok(answered) => {
            webhook.metrics.count(answered.verdict.as_str());
            answered.log();
            ([(CONTENT_TYPE, "application/json")], answered.body.to_string()).into_response()
        }
        Err(unanswered) => {
            webhook.metrics.count(metrics::ERROR);
            match &unanswered {
                Unanswered::Failed => tracing::error!("a review could not be judged"),
                // Whoever may connect could fill the log.
                theirs => tracing::debug!(error = %theirs, "a review was not answered"),
            }
            (unanswered.status(), format!("{unanswered}\n")).into_response()
        }
    }
}

impl Webhook {
    async fn review(&self, request: Request) -> Result<Answered, Unanswered> {
        if !is_json(&request) {
            return Err(Unanswered::NoJson);
        }
        // As much as it says that it has.
        if request.body().size_hint().lower() > MAX_BODY as u64 {
            return Err(Unanswered::TooLarge);
        }
        let (body, _held) = read(request.into_body(), &self.room).await?;
        let place = Arc::clone(&self.judging).acquire_owned().await.map_err(|_| Unanswered::Failed)?;
        // Others are read meanwhile; what panics is an error. Who does not wait for the answer leaves no place to another one.
        let judge = move || {
            let _place = place;
            answer(&body)
        };
        let answered = tokio::task::spawn_blocking(judge).await;
        Ok(answered.map_err(|_| Unanswered::Failed)??)
    }
}

fn is_json(request: &Request) -> bool {
    let given = request.headers().get(CONTENT_TYPE).and_then(|given| given.as_bytes().split(|b| *b == b';').next());
    given.is_some_and(|media_type| media_type.trim_ascii().eq_ignore_ascii_case(b"application/json"))
}

/// The whole body, which may have come without its length, and what it holds of the room.
async fn read(body: Body, room: &Room) -> Result<(Vec<u8>, Held<'_>), Unanswered> {
    let mut parts = body.into_data_stream();
    let (mut whole, mut held, mut end) = (Vec::new(), room.nothing(), Instant::now() + READ_WITHIN);
    while let Some(part) = timeout_at(end, parts.next()).await.map_err(|_| Unanswered::TooSlow)? {
        let part = part.map_err(|_| Unanswered::CutOff)?;
        let length = whole.len() + part.len();
        if length > MAX_BODY {
            return Err(Unanswered::TooLarge);
        }
        if length > SMALL && !held.holds(length) {
            let began = Instant::now();
            // It is never closed.
            held.wait_for(length).await.map_err(|_| Unanswered::Failed)?;
            // Nobody could send while this waited.
            end += began.elapsed();
        }
        whole.extend_from_slice(&part);
    }
    Ok((whole, held))
}

impl Unanswered {
    const fn status(&self) -> StatusCode {
        match self {
            Self::NoJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::CutOff | Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

#[cfg(test)]
mod tests;
