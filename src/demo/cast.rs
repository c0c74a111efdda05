//! Who calls in the demo: a workload by its certificate, and where there is one, the user or the agent by a token.
//!
//! The contracts in `policies/` name the same workloads, roles and agents.

use serde_json::{Value, json};

use super::pki::now;

/// Somebody who calls.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    /// Names the token's file, too.
    pub(super) name: &'static str,
    /// The SPIFFE id in the client certificate.
    pub(super) workload: &'static str,
    pub(super) token: Option<Token>,
}

/// What the token says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub(super) subject: &'static str,
    pub(super) role: &'static str,
    pub(super) login: Login,
    /// The agent that acts for the subject.
    pub(super) agent: Option<&'static str>,
}

/// How the user logged in, and when.
#[derive(Debug, Clone, Copy)]
pub(super) enum Login {
    Password,
    /// With a second factor, so many seconds ago.
    SecondFactor {
        seconds_ago: u64,
    },
}

const DESKTOP: &str = "spiffe://cluster.local/ns/support/sa/agent-desktop";

const AGENT: Token = Token { subject: "ana", role: "support-agent", login: Login::Password, agent: None };

pub(super) const SUPPORT_AGENT: Caller = Caller { name: "support-agent", workload: DESKTOP, token: Some(AGENT) };

pub(super) const SUPPORT_OLD_LOGIN: Caller = Caller {
    name: "support-agent-old-login",
    token: Some(Token { login: Login::SecondFactor { seconds_ago: 40 * 60 }, ..AGENT }),
    ..SUPPORT_AGENT
};

pub(super) const SUPPORT_FRESH_LOGIN: Caller = Caller {
    name: "support-agent-fresh-login",
    token: Some(Token { login: Login::SecondFactor { seconds_ago: 10 }, ..AGENT }),
    ..SUPPORT_AGENT
};

pub(super) const STOREFRONT: Caller =
    Caller { name: "storefront", workload: "spiffe://cluster.local/ns/web/sa/storefront", token: None };

pub(super) const CHAT_BOT: Caller =
    Caller { name: "chat-bot", workload: "spiffe://cluster.local/ns/bots/sa/chat", token: None };

pub(super) const PHONE: Caller = Caller { name: "phone", workload: "spiffe://cluster.local/ns/cc/sa/ivr", token: None };

pub(super) const ANALYTICS: Caller =
    Caller { name: "analytics", workload: "spiffe://cluster.local/ns/partners/sa/analytics", token: None };

const CUSTOMER: Token =
    Token { subject: "customer-77", role: "customer", login: Login::Password, agent: Some("agent:returns-assistant") };

pub(super) const RETURNS_AGENT: Caller =
    Caller { name: "returns-agent", workload: "spiffe://cluster.local/ns/agents/sa/returns", token: Some(CUSTOMER) };

pub(super) const UNKNOWN_AGENT: Caller = Caller {
    name: "unknown-agent",
    token: Some(Token { agent: Some("agent:helpful-stranger"), ..CUSTOMER }),
    ..RETURNS_AGENT
};

pub(super) const ALL: &[Caller] = &[
    SUPPORT_AGENT,
    SUPPORT_OLD_LOGIN,
    SUPPORT_FRESH_LOGIN,
    STOREFRONT,
    CHAT_BOT,
    PHONE,
    ANALYTICS,
    RETURNS_AGENT,
    UNKNOWN_AGENT,
];

impl Caller {
    /// The workload's short name: names the files of its certificate and key.
    pub(super) fn workload_name(&self) -> &'static str {
        self.workload.rsplit('/').next().unwrap_or(self.workload)
    }
}

impl Token {
    pub(super) fn claims(&self) -> Value {
        let (acr, seconds_ago) = match self.login {
            Login::Password => ("pwd", 60),
            Login::SecondFactor { seconds_ago } => ("mfa", seconds_ago),
        };
        let login = now().saturating_sub(seconds_ago);
        let (subject, role) = (self.subject, self.role);
        match self.agent {
            None => json!({ "sub": subject, "roles": [role], "acr": acr, "auth_time": login }),
            Some(agent) => {
                json!({ "sub": subject, "roles": [role], "acr": acr, "auth_time": login, "act": { "sub": agent } })
            }
        }
    }
}
