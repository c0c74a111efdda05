//! The cells of the matrix: which way, over which transport, with which body, how often.
//!
//! Not all of them are measured where nobody chooses, since that would take an hour. Which are, stands here.

use std::fmt;

use serde::Serialize;

/// Which way requests take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Way {
    /// The server is asked by us.
    Direct,
    /// By Envoy, which is asked by us.
    Envoy,
}

/// What the server is asked over, by whoever asks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Transport {
    Tcp,
    Unix,
    /// TLS over TCP, each side with a certificate.
    Mtls,
}

/// What the request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Body {
    /// Nothing: what is judged stands in the query.
    Bare,
    /// A kilobyte of JSON, in which the amount stands.
    Json,
}

/// How many of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Load {
    /// A closed loop: as many as the server can take.
    Closed,
    /// A constant rate, so many a second.
    Rate(u32),
}

/// A cell: what is compared among subjects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Cell {
    pub(crate) way: Way,
    pub(crate) transport: Transport,
    pub(crate) body: Body,
    pub(crate) load: Load,
}

pub(crate) const TRANSPORTS: [Transport; 3] = [Transport::Tcp, Transport::Unix, Transport::Mtls];

impl Cell {
    /// As `--only` names it: `envoy/tcp/bare/1000`.
    pub(crate) fn id(self) -> String {
        self.words().join("/")
    }

    /// Whether the words of a pattern are all among ours, in whichever order: `envoy`, `tcp/closed`, `json/1000`.
    pub(crate) fn matches(self, pattern: &str) -> bool {
        let words = self.words();
        pattern.split('/').all(|part| words.iter().any(|word| word == part))
    }

    fn words(self) -> [String; 4] {
        let way = match self.way {
            Way::Direct => "direct",
            Way::Envoy => "envoy",
        };
        let body = match self.body {
            Body::Bare => "bare",
            Body::Json => "json",
        };
        let load = match self.load {
            Load::Closed => "closed".to_owned(),
            Load::Rate(rate) => rate.to_string(),
        };
        [way.to_owned(), self.transport.word().to_owned(), body.to_owned(), load]
    }
}

impl Transport {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Unix => "unix",
            Self::Mtls => "mtls",
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.way {
            Way::Direct => "asked directly, ",
            Way::Envoy => "through Envoy, ",
        })?;
        f.write_str(match self.transport {
            Transport::Tcp => "TCP, ",
            Transport::Unix => "Unix socket, ",
            Transport::Mtls => "mTLS, ",
        })?;
        f.write_str(match self.body {
            Body::Bare => "no body, ",
            Body::Json => "1 KB of JSON, ",
        })?;
        match self.load {
            Load::Closed => f.write_str("as many as it can take"),
            Load::Rate(rate) => write!(f, "{rate} a second"),
        }
    }
}
