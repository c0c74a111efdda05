//! What the demo does and what it claims, as data: each step is one call through Envoy, and each claim is checked.
//!
//! The claims are about the policies in `policies/`. Whoever changes those, changes these.

use super::cast::{
    ANALYTICS, CHAT_BOT, Caller, PHONE, RETURNS_AGENT, STOREFRONT, SUPPORT_AGENT, SUPPORT_FRESH_LOGIN,
    SUPPORT_OLD_LOGIN, UNKNOWN_AGENT,
};
use super::stage::{BARE, FRONT};

const API: &str = "api.shop.example";
const ID: &str = "id.shop.example";
const BILLING: &str = "billing.shop.example";
const OFFERS: &str = "offers.shop.example";

/// One call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) title: &'static str,
    pub(super) caller: Caller,
    pub(super) listener: &'static str,
    pub(super) method: &'static str,
    pub(super) host: &'static str,
    pub(super) target: &'static str,
    pub(super) headers: &'static [(&'static str, &'static str)],
    pub(super) body: &'static str,
    pub(super) claim: Claim,
}

/// What is claimed of its answer. None: the request must have none (an action that nobody could tell).
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim {
    pub(super) status: u16,
    pub(super) action: Option<&'static str>,
    pub(super) tier: Option<&'static str>,
    pub(super) verdict: &'static str,
    pub(super) reason: &'static str,
    pub(super) mode: &'static str,
    /// What the client must find in the response's headers.
    pub(super) response: &'static [Seen],
    /// What the service must find. A refused call must not get there at all.
    pub(super) service: &'static [Seen],
}

/// Something that can be seen in a message.
#[derive(Debug, Clone, Copy)]
pub(super) enum Seen {
    /// A header of this name holds this text.
    Header(&'static str, &'static str),
    /// There is no header of this name.
    NoHeader(&'static str),
    /// The query has exactly one parameter of this name, with this value, decoded.
    Query(&'static str, &'static str),
    /// The query has no parameter of this name.
    NoQuery(&'static str),
}

impl Claim {
    /// Whether the call reaches the service.
    pub(super) fn passes(&self) -> bool {
        self.status < 400
    }

    /// Whether the decision must be on disk before its answer.
    pub(super) fn is_recorded_first(&self) -> bool {
        matches!(self.tier, Some("impact" | "critical"))
    }

    const fn seen(self, response: &'static [Seen], service: &'static [Seen]) -> Self {
        Self { response, service, ..self }
    }
}

impl Step {
    const fn get(title: &'static str, caller: Caller, host: &'static str, target: &'static str, claim: Claim) -> Self {
        let (listener, method, headers, body): (_, _, &[_], _) = (FRONT, "GET", &[], "");
        Self { title, caller, listener, method, host, target, headers, body, claim }
    }

    const fn post(title: &'static str, caller: Caller, host: &'static str, target: &'static str, claim: Claim) -> Self {
        Self { method: "POST", ..Self::get(title, caller, host, target, claim) }
    }

    const fn with(self, headers: &'static [(&'static str, &'static str)]) -> Self {
        Self { headers, ..self }
    }

    const fn bare(self) -> Self {
        Self { listener: BARE, ..self }
    }
}

const fn allow(action: &'static str, tier: &'static str) -> Claim {
    let (action, tier) = (Some(action), Some(tier));
    Claim {
        status: 200,
        action,
        tier,
        verdict: "allow",
        reason: "granted",
        mode: "enforce",
        response: &[],
        service: &[],
    }
}

const fn deny(action: &'static str, tier: &'static str, reason: &'static str) -> Claim {
    Claim { status: 403, verdict: "deny", reason, ..allow(action, tier) }
}

const fn malformed(reason: &'static str) -> Claim {
    Claim { status: 400, action: None, tier: None, ..deny("", "", reason) }
}

const UNMAPPED: Claim = Claim { status: 403, ..malformed("unmapped") };

const STEP_UP: Claim =
    Claim { status: 401, verdict: "challenge", ..deny("credentials.reset", "critical", "assurance.required") };

/// Passes, though enforcing would have denied it.
const OBSERVED: Claim = Claim { status: 200, mode: "observe", ..deny("offer.list", "personal", "contract.none") };

const ORDER: &str = "/v1/orders/1042";
const RESET: &str = "/v1/accounts/7/credentials/reset";

pub(super) const STEPS: &[Step] = &[
    Step::get("parcel tracked, no token", STOREFRONT, API, "/v1/deliveries/JD014600", allow("delivery.track", "open")),
    Step::get(
        "support agent reads an order",
        SUPPORT_AGENT,
        API,
        ORDER,
        allow("order.read", "personal").seen(
            &[Seen::Header("cache-control", "no-store"), Seen::Header("tollgate-receipt", "")],
            &[Seen::NoHeader("authorization"), Seen::Header("tollgate-action", "order.read")],
        ),
    ),
    Step::get(
        "the same with forged headers",
        SUPPORT_AGENT,
        API,
        ORDER,
        allow("order.read", "personal").seen(
            &[],
            &[Seen::Header("tollgate-tier", "personal"), Seen::NoHeader("x-envoy-auth-failure-mode-allowed")],
        ),
    )
    .with(&[("tollgate-tier", "open"), ("x-envoy-auth-failure-mode-allowed", "true")]),
    Step::get(
        "the same, forged with underscores",
        SUPPORT_AGENT,
        API,
        ORDER,
        allow("order.read", "personal").seen(&[], &[Seen::NoHeader("tollgate_tier"), Seen::NoHeader("x_channel")]),
    )
    .with(&[("tollgate_tier", "open"), ("x_channel", "app")])
    .bare(),
    Step::get(
        "support lists orders, query cut",
        SUPPORT_AGENT,
        API,
        "/v1/customers/77/orders?limit=10&fields=card",
        allow("order.list", "personal")
            .seen(&[], &[Seen::Query("fields", "id,status,eta"), Seen::Query("limit", "10")]),
    ),
    Step::get(
        "support lists 50 orders at once",
        SUPPORT_AGENT,
        API,
        "/v1/customers/77/orders?limit=50",
        deny("order.list", "personal", "limit.exceeded"),
    ),
    Step::get(
        "support quotes a refund of 120 EUR",
        SUPPORT_AGENT,
        BILLING,
        "/v1/orders/1042/refund-quote?amount=120.00&currency=EUR",
        allow("refund.quote", "sensitive"),
    ),
    Step::get(
        "support quotes a refund of 500 EUR",
        SUPPORT_AGENT,
        BILLING,
        "/v1/orders/1042/refund-quote?amount=500.00&currency=EUR",
        deny("refund.quote", "sensitive", "limit.exceeded"),
    ),
    Step {
        body: r#"{"amount":20.00,"currency":"EUR"}"#,
        headers: &[("content-type", "application/json")],
        ..Step::post(
            "support issues a refund, by body",
            SUPPORT_FRESH_LOGIN,
            BILLING,
            "/v1/orders/1042/refunds",
            allow("refund.issue", "critical"),
        )
    },
    Step::post(
        "support resets access, old login",
        SUPPORT_OLD_LOGIN,
        ID,
        RESET,
        STEP_UP.seen(
            &[
                Seen::Header("www-authenticate", r#"error="insufficient_user_authentication""#),
                Seen::Header("www-authenticate", r#"acr_values="mfa phr""#),
                Seen::Header("www-authenticate", "max_age="),
            ],
            &[],
        ),
    ),
    Step::post(
        "support resets access, fresh login",
        SUPPORT_FRESH_LOGIN,
        ID,
        RESET,
        allow("credentials.reset", "critical"),
    ),
    Step::post("chat bot resets access", CHAT_BOT, ID, RESET, deny("credentials.reset", "critical", "contract.none")),
    Step::get("phone looks up an order", PHONE, API, ORDER, allow("order.read", "personal"))
        .with(&[("x-channel", "voice")]),
    Step::post("phone resets access", PHONE, ID, RESET, deny("credentials.reset", "critical", "channel.ceiling"))
        .with(&[("x-channel", "voice")]),
    Step::get(
        "analytics, purpose not declared",
        ANALYTICS,
        API,
        "/v1/stats/orders",
        deny("order.stats", "sensitive", "purpose.undeclared"),
    ),
    Step::get(
        "analytics, purpose declared",
        ANALYTICS,
        API,
        "/v1/stats/orders?day=today&raw=1",
        allow("order.stats", "sensitive").seen(&[], &[Seen::Query("day", "today"), Seen::NoQuery("raw")]),
    )
    .with(&[("tollgate-purpose", "analytics.reporting")]),
    Step::get("agent reads its customer's order", RETURNS_AGENT, API, ORDER, allow("order.read", "personal")),
    Step::get(
        "unknown agent, same customer",
        UNKNOWN_AGENT,
        API,
        ORDER,
        deny("order.read", "personal", "contract.none"),
    ),
    Step::get("offers, on trial: would be denied", CHAT_BOT, OFFERS, "/v1/customers/77/offers", OBSERVED),
    Step::post("an export that nobody mapped", SUPPORT_AGENT, API, "/v1/orders/1/export", UNMAPPED),
    Step::get(
        "ambiguous path: escaped slash",
        SUPPORT_AGENT,
        API,
        "/v1/orders/..%2f1042",
        malformed("path.encoded_separator"),
    )
    .bare(),
    Step::get("ambiguous path: double slash", SUPPORT_AGENT, API, "//v1/orders/1042", malformed("path.empty_segment"))
        .bare(),
];

/// What the policy edit is tried with: denied before, allowed after.
pub(super) const BOT_READS_A_PROFILE: Step = Step::get(
    "chat bot reads a profile",
    CHAT_BOT,
    ID,
    "/v1/accounts/7",
    deny("profile.read", "personal", "contract.none"),
);

impl Step {
    /// The same call, for another moment of the story.
    pub(super) const fn again(self, title: &'static str, claim: Claim) -> Self {
        Self { title, claim, ..self }
    }
}

/// The bot's claim while the edited policy is in force.
pub(super) const BOT_MAY: Claim = allow("profile.read", "personal");

/// What the outage is tried with.
pub(super) const SUPPORT_READS_AN_ORDER: Step =
    Step::get("support agent reads an order", SUPPORT_AGENT, API, ORDER, allow("order.read", "personal"));
