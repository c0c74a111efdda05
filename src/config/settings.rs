//! Everything that can be set, declared once.
//!
//! From this table come the flags of the command line, the variables of the environment, the keys of the file, what is read
//! from them, and the reference page.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::layers::Layers;
use super::setting::Setting;
use super::value::{Bytes, Headers, Mode, Off, Value};
use crate::ext_authz::{AnswerMetadata, ErrorAnswer, HeaderRemoval};
use crate::sources::certificates::AllowedName;
use crate::transport::Listen;
use crate::yaml::Problems;

macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty $(= $default:literal)?, $value_name:literal;)+) => {
        /// What was typed, each value by itself of its type.
        #[derive(Debug)]
        pub(super) struct Typed { $(pub(super) $name: $type,)+ }

        /// Everything that can be set, in the order in which it is shown.
        pub const SETTINGS: &[Setting] = &[$(Setting {
            name: stringify!($name),
            value_name: $value_name,
            default: { #[allow(unused_assignments, unused_mut, reason = "not all have one")] let mut default = None; $(default = Some($default);)? default },
            many: <$type as Value>::MANY,
            disclosed: <$type as Value>::DISCLOSED,
            help: &[$($doc),+],
        },)+];

        impl Typed {
            /// Reads all values, and says of each that cannot be read what is wrong with it.
            pub(super) fn read(layers: &Layers, problems: &mut Problems) -> Option<Self> {
                let mut settings = SETTINGS.iter();
                $(let $name = settings.next().and_then(|setting| layers.value(setting, problems));)+
                Some(Self { $($name: $name?,)+ })
            }
        }
    };
}

settings! {
    /// Folder with the policies: a mounted ConfigMap, or any folder of YAML files
    policies: PathBuf, "FOLDER";
    /// How often the folder is looked at; an edit is in force after this
    policies_poll: Duration = "1s", "TIME";
    /// Where Envoy asks: `IP:PORT` or `unix:/path`; may be repeated
    listen: Vec<Listen> = "0.0.0.0:9000", "ADDRESS";
    /// Permissions of Unix sockets, in octal: who may write to one may ask
    socket_mode: Mode = "0660", "MODE";
    /// Number of the group that Unix sockets are given to, such as that of Envoy's user
    socket_group: Option<u32>, "GID";
    /// Folder with `tls.crt` and `tls.key`: TCP ports for checks then take TLS only, and follow the files
    tls: Option<PathBuf>, "FOLDER";
    /// File with the authorities that clients must have a certificate of
    tls_client_ca: Option<PathBuf>, "FILE";
    /// Name that the certificate of a client must have, of the type URI or DNS, such as `spiffe://cluster.local/ns/gateway/*`; may be repeated
    tls_client_san: Vec<AllowedName>, "NAME";
    /// How often the files with certificates are looked at
    tls_poll: Duration = "10s", "TIME";
    /// Where health is answered, in plain gRPC (grpc.health.v1)
    health: SocketAddr = "0.0.0.0:9099", "IP:PORT";
    /// Where metrics are served, at `/metrics`
    metrics: SocketAddr = "0.0.0.0:9090", "IP:PORT";
    /// Where the state is shown and the log level changed, on this machine only; `off` for nowhere
    admin: Off<SocketAddr> = "127.0.0.1:9901", "IP:PORT";
    /// Folder in which decisions are recorded; it belongs to this process alone
    ledger: PathBuf = "/var/lib/tollgate/ledger", "FOLDER";
    /// Most that the ledger may take on disk: its oldest files are removed for new records. Left out, nothing is removed
    ledger_max_bytes: Option<Bytes>, "BYTES";
    /// File with at least 32 random bytes, the same on all replicas: people stand in records under pseudonyms made with it
    pseudonym_key: Option<PathBuf>, "FILE";
    /// Where each decision is told as a line of JSON: `stdout`, a file that is appended to, or `off`
    decisions: Off<PathBuf> = "off", "WHERE";
    /// OTLP/gRPC collector that traces are sent to, such as `http://otel-collector:4317`; over TLS with `https://`
    otlp_endpoint: Option<String>, "URL";
    /// File with the authorities that a collector at `https://` must have a certificate of
    otlp_ca: Option<PathBuf>, "FILE";
    /// Header that the collector asks for, as `name=value`; may be repeated, and is never shown
    otlp_header: Headers, "NAME=VALUE";
    /// Share of calls without a trace of their own that is traced; impact and critical always are
    trace_ratio: f64 = "0.01", "0..1";
    /// Longest time of one check; set it below the timeout in Envoy's `grpc_service`, whose default is 200 ms
    max_check_time: Duration = "150ms", "TIME";
    /// Largest request from Envoy; it must be above `max_request_bytes` in Envoy's `with_request_body`
    max_check_bytes: Bytes = "16MiB", "BYTES";
    /// Checks under way at once; more are answered with an error at once
    max_pending_checks: usize = "4096", "COUNT";
    /// Memory for the bodies of checks under way; a check that does not fit is answered with an error at once
    max_pending_bytes: Bytes = "64MiB", "BYTES";
    /// Connections at once; more are closed at once
    max_connections: usize = "4096", "COUNT";
    /// After about this time a connection is asked to end, so that new replicas get their share
    max_connection_age: Duration = "5m", "TIME";
    /// A thread that answers and is stuck for longer than this ends liveness
    max_stall: Duration = "10s", "TIME";
    /// What an error looks like to Envoy: `grpc-status` for any Envoy, `error-response` from Envoy 1.37 on
    error_answer: ErrorAnswer = "grpc-status", "FORM";
    /// What access logs and later filters are told in dynamic metadata: `all`, the `receipt` alone, or `none`; less is less work for Envoy
    answer_metadata: AnswerMetadata = "all", "EXTENT";
    /// Which headers Envoy is told to take out: all `known` ones, or those `seen`, which is less work for it; only where no Envoy hides headers (`allowed_headers`, `disallowed_headers`, `headersToExtAuth`), for what is hidden would reach the service
    header_removal: HeaderRemoval = "known", "WHICH";
    /// How long to serve on after SIGTERM, so that everyone learns that this replica is going
    drain_delay: Duration = "10s", "TIME";
    /// How long what is under way may take after that
    drain_timeout: Duration = "30s", "TIME";
    /// What is logged: `error`, `warn`, `info`, `debug`, or a filter such as `info,tollgate=debug`
    log_level: String = "info", "FILTER";
    /// Threads that answer, 1 to 256; as many as there are cores where this is left out
    workers: Option<usize>, "COUNT";
}
