//! Why a verdict is what it is: one table of stable codes.
//!
//! A code never changes its meaning and is never used again for another one; metrics, receipts, answers and runbooks are
//! built on it. The table is in the order in which reasons win where several hold. `docs/reasons.md` is printed from it, and
//! a test compares the two.

use std::fmt;

/// What sort of answer a reason leads to. The adapter turns it into HTTP and gRPC statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The call may pass.
    Granted,
    /// Two readers could understand the request differently, or it is no valid request.
    Malformed,
    /// More of the request would be needed, or would have to be looked at, than can be.
    TooLarge,
    /// The body comes in a form that its action is not judged by.
    Unsupported,
    /// Who calls is not proven.
    CallerUnknown,
    /// The caller is known, and this is not granted.
    NotGranted,
    /// More proof of the user is needed.
    Challenge,
    /// No decision could be made or recorded: ours, the operator's or a dependency's fault, never the client's.
    Error,
}

macro_rules! reasons {
    ($($(#[$meta:meta])* $name:ident = $code:literal, $kind:ident, $detail:literal;)+) => {
        /// Why a verdict is what it is. Lower ones win.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason { $(#[doc = $detail] $name),+ }

        impl Reason {
            /// Every reason, the one that wins first.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The stable code.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code),+ }
            }

            /// What sort of answer it leads to.
            pub const fn kind(self) -> Kind {
                match self { $(Self::$name => Kind::$kind),+ }
            }

            /// What the client is told, in plain words: nothing of the policies, nothing that the client sent.
            pub const fn detail(self) -> &'static str {
                match self { $(Self::$name => $detail),+ }
            }
        }
    };
}

reasons! {
    // What Tollgate was asked is not whole. Nothing can be judged.
    RequestIncomplete = "request.incomplete", Error, "the proxy asked about a request without describing it";
    CheckMalformed = "check.malformed", Error, "what the proxy asked cannot be read";
    BundleNone = "bundle.none", Error, "no policies are in force yet";
    Overloaded = "overloaded", Error, "more was asked at once than can be decided";
    DeadlineExceeded = "deadline.exceeded", Error, "the decision could not be made in time";
    Internal = "internal", Error, "the decision failed";

    // What two parsers could read differently.
    RequestAmbiguous = "request.ambiguous", Malformed, "two parts of the request contradict each other";
    RequestTooLarge = "request.too_large", Malformed, "the request line or the headers are too large";
    MethodMalformed = "method.malformed", Malformed, "the method is not a token";
    MethodOverride = "method.override", Malformed, "the request names a second method in a header";
    HostMissing = "host.missing", Malformed, "the request names no host";
    HostMalformed = "host.malformed", Malformed, "the host is not a host name with an optional port";
    HostAmbiguous = "host.ambiguous", Malformed, "the request names two hosts";
    PathMissing = "path.missing", Malformed, "the request has no path";
    PathNotAbsolute = "path.not_absolute", Malformed, "the path does not begin with a slash";
    PathForbiddenCharacter = "path.forbidden_character", Malformed, "the path or query holds a blank, a control or a non-ASCII character";
    PathFragment = "path.fragment", Malformed, "the path holds a fragment";
    PathBackslash = "path.backslash", Malformed, "the path holds a backslash";
    PathMatrix = "path.matrix", Malformed, "the path holds a semicolon";
    PathBadEscape = "path.bad_escape", Malformed, "the path holds a percent sign without two hexadecimal digits";
    PathEncodedSeparator = "path.encoded_separator", Malformed, "the path holds an encoded separator";
    PathEncodedControl = "path.encoded_control", Malformed, "the path holds an encoded control character";
    PathEncodedPercent = "path.encoded_percent", Malformed, "the path is encoded twice";
    PathEncodedPlain = "path.encoded_plain", Malformed, "the path encodes a character that needs no encoding";
    PathNotUtf8 = "path.not_utf8", Malformed, "the path does not decode to UTF-8";
    PathDotSegment = "path.dot_segment", Malformed, "the path holds a dot segment";
    PathEmptySegment = "path.empty_segment", Malformed, "the path holds an empty segment";
    QueryBadEscape = "query.bad_escape", Malformed, "the query holds a percent sign without two hexadecimal digits";
    QueryAmbiguous = "query.ambiguous", Malformed, "a query parameter can be read in two ways";
    HeaderMalformed = "header.malformed", Malformed, "a header is not valid";
    HeaderAmbiguous = "header.ambiguous", Malformed, "a header can be read in two ways";
    HeaderHopByHop = "header.hop_by_hop", Malformed, "the connection header names a header of the request";
    CredentialsAmbiguous = "credentials.ambiguous", Malformed, "the request carries more than one credential";
    BodyPartial = "body.partial", TooLarge, "only a part of the body reached the decision, and the action is judged by its body";
    BodyTooLarge = "body.too_large", TooLarge, "the body is larger than what is looked at";
    BodyLength = "body.length", Malformed, "the body is not as long as the request says";
    BodyMediaType = "body.media_type", Unsupported, "the body is of a media type that this action is not judged by";
    BodyEncoding = "body.encoding", Unsupported, "the body is encoded in a way that is not declared for this action";
    BodyEncodingMalformed = "body.encoding_malformed", Malformed, "the encoded body cannot be decoded in exactly one way";
    JsonNotUtf8 = "json.not_utf8", Malformed, "the JSON body is not UTF-8";
    JsonPrefix = "json.prefix", Malformed, "something stands before the JSON value";
    JsonMalformed = "json.malformed", Malformed, "the body is not JSON";
    JsonTrailing = "json.trailing", Malformed, "something stands behind the JSON value";
    JsonDuplicateKey = "json.duplicate_key", Malformed, "a key stands twice in one JSON object, or in two cases";
    JsonKeyAmbiguous = "json.key_ambiguous", Malformed, "a key of the JSON body can be read in two ways";
    JsonTooComplex = "json.too_complex", TooLarge, "the JSON body is nested too deeply or has too many values";
    FormMalformed = "form.malformed", Malformed, "the form is not valid";
    FormAmbiguous = "form.ambiguous", Malformed, "a field of the form can be read in two ways";
    BatchTooLong = "batch.too_long", TooLarge, "the request holds more operations than are looked at";
    McpMalformed = "mcp.malformed", Malformed, "the body is not a JSON-RPC request of the Model Context Protocol";
    McpHeaderMismatch = "mcp.header_mismatch", Malformed, "a header and the body name different operations";
    GraphqlMalformed = "graphql.malformed", Malformed, "the GraphQL request is not valid";
    GraphqlOperation = "graphql.operation", Malformed, "the GraphQL request does not name exactly one of its operations";
    GraphqlTooComplex = "graphql.too_complex", TooLarge, "the GraphQL document is nested too deeply or has too many parts";
    GraphqlPersisted = "graphql.persisted_mismatch", Malformed, "the GraphQL document is not the one that its hash names";
    GrpcMalformed = "grpc.malformed", Malformed, "the body is not one gRPC message of its type";
    GrpcAmbiguous = "grpc.ambiguous", Malformed, "a field of the gRPC message can be read in two ways";

    // Who and what.
    CallerUnknown = "caller.unknown", CallerUnknown, "who is calling is not proven";
    Unmapped = "unmapped", NotGranted, "this operation is not in the catalogue";
    ContractNone = "contract.none", NotGranted, "no contract grants this action to everyone who stands behind the call";
    ContractPurpose = "contract.purpose", NotGranted, "the action is not granted for this purpose";

    // What no contract can override.
    GuardrailDenied = "guardrail.denied", NotGranted, "a rule that nothing overrides forbids this";
    GuardrailNever = "guardrail.never", NotGranted, "the answer would hold data that may never go to this caller";

    // Conditions and demands.
    PurposeUndeclared = "purpose.undeclared", NotGranted, "the action needs exactly one declared purpose";
    ChannelCeiling = "channel.ceiling", NotGranted, "the action is above what this channel may do";
    BodyUnavailable = "body.unavailable", NotGranted, "the action is judged by its body, and the body is not available here";
    InputMissing = "input.missing", Malformed, "an input that the action needs is missing";
    InputInvalid = "input.invalid", Malformed, "an input of the action is not of its type";
    LimitCurrency = "limit.currency", NotGranted, "the amount is in another currency than the limit";
    BodyBatch = "body.batch", NotGranted, "the action is one call, and the body holds a list";
    ConditionUnknown = "condition.unknown", NotGranted, "something that a condition of the action looks at is not known";
    ConditionFalse = "condition.false", NotGranted, "a condition of the action does not hold";
    SendsRefused = "sends.refused", NotGranted, "the body holds fields that may not be passed on";
    SendsNotStripped = "sends.not_stripped", NotGranted, "the body holds fields that would have to be taken out, and bodies cannot be changed here: leave them out";
    LimitExceeded = "limit.exceeded", NotGranted, "the request is above the limit for this action";

    AssuranceRequired = "assurance.required", Challenge, "the action needs a stronger or a more recent sign-in";

    ReceiptUnavailable = "receipt.unavailable", Error, "the decision could not be recorded";

    Granted = "granted", Granted, "granted";
}

impl Reason {
    /// Whether the request itself is at fault. That is never on trial: two readers would still differ about it.
    pub const fn is_malformed(self) -> bool {
        matches!(self.kind(), Kind::Malformed | Kind::TooLarge | Kind::Unsupported)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl std::str::FromStr for Reason {
    type Err = super::InvalidTerm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.iter().copied().find(|one| one.code() == text);
        known.ok_or_else(|| super::InvalidTerm(format!("`{text}` is not a reason code")))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_spelled_alike() {
        let codes: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
        for code in codes {
            assert!(code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._".contains(&b)), "{code}");
        }
    }

    #[test]
    fn the_order_in_which_reasons_win_is_the_documented_one() {
        use Reason::{
            AssuranceRequired, CallerUnknown, ContractNone, Granted, LimitExceeded, PathMissing, ReceiptUnavailable,
            Unmapped,
        };
        let order = [
            PathMissing,
            CallerUnknown,
            Unmapped,
            ContractNone,
            LimitExceeded,
            AssuranceRequired,
            ReceiptUnavailable,
            Granted,
        ];
        assert!(order.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
