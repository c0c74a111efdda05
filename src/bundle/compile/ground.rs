//! Tiers and identity.

use crate::bundle::documents::ground::{Identity as Typed, Require, TierDemands, Tiers as TypedTiers, User};
use crate::bundle::read::Spanned;
use crate::catalog::{Assurance, Demands, Tiers};
use crate::facts::{Headers, same_to_many};
use crate::identity::{ChannelRule, Credential, Identity, UserRule, WorkloadRule, is_channel};
use crate::terms::{Pointer, Tier};
use crate::yaml::{Problem, Problems};

/// Headers that frame the message. Whoever takes one of them out changes what the request is.
pub(super) const FRAMING: [&str; 5] = ["connection", "content-length", "host", "te", "transfer-encoding"];

pub(super) fn tiers(typed: TypedTiers, problems: &mut Problems) -> Tiers {
    let mut tiers = Tiers::default();
    let given = [
        (Tier::Open, typed.open),
        (Tier::Personal, typed.personal),
        (Tier::Sensitive, typed.sensitive),
        (Tier::Impact, typed.impact),
        (Tier::Critical, typed.critical),
    ];
    for (tier, demands) in given {
        if let Some(typed) = demands {
            let built_in = tiers.demands(tier).clone();
            tiers.set(tier, self::demands(typed, built_in, problems));
        }
    }
    tiers
}

/// What is not written stays as it is built in: leaving a key out must not take a demand away.
fn demands(typed: TierDemands, built_in: Demands, problems: &mut Problems) -> Demands {
    let receipt = typed.receipt.or(built_in.receipt);
    let Some(require) = typed.require else { return Demands { receipt, ..built_in } };
    Demands { receipt, ..self::require(require, problems) }
}

/// What a rule demands by itself.
pub(super) fn require(typed: Require, problems: &mut Problems) -> Demands {
    let assurance = typed.assurance.map(|assurance| {
        refuse_empty(&assurance.acr, "a sign-in of no class would do", problems);
        for acr in assurance
            .acr
            .iter()
            .filter(|acr| acr.is_empty() || acr.contains(|c: char| c.is_whitespace() || c.is_control() || c == '"'))
        {
            // The classes stand in a quoted, blank-separated list in the challenge (RFC 9470, section 3).
            problems.push(Problem::at(&assurance.acr.place, format!("`{acr}` is not an authentication context class")));
        }
        Assurance { acr: assurance.acr.value, max_age: assurance.max_age }
    });
    Demands {
        known_caller: typed.caller.is_some(),
        declared_purpose: typed.purpose.is_some(),
        assurance,
        receipt: None,
    }
}

pub(super) fn identity(typed: Typed, problems: &mut Problems) -> Identity {
    let named = [typed.purpose.as_ref().map(|rule| &rule.header), typed.channel.as_ref().map(|rule| &rule.header)];
    let [purpose, channel] = named;
    for name in named.into_iter().flatten() {
        refuse_taken(name, problems);
    }
    if let (Some(purpose), Some(channel)) = (purpose, channel)
        && same_to_many(purpose, channel)
    {
        let problem = Problem::at(&channel.place, "the header of the channel is the header of the purpose");
        problems.push(problem.also(&purpose.place, "the purpose is here"));
    }
    let workload = typed.workload.map(|rule| {
        refuse_empty(&rule.from, "no proof would be read", problems);
        refuse_empty(&rule.trust_domains, "no workload would be ours", problems);
        WorkloadRule { from: rule.from.value, trust_domains: rule.trust_domains.value }
    });
    let channel = typed.channel.map(|rule| {
        let ceilings = rule.ceilings.unwrap_or_default().0;
        for (name, _) in ceilings.iter().filter(|(name, _)| !is_channel(name)) {
            let problem = Problem::at(&name.place, format!("`{}` is not a channel", name.value));
            problems.push(problem.help("one word of lower-case letters, digits, `-`, `_` and `.`"));
        }
        let ceilings = ceilings.into_iter().map(|(name, tier)| (name.value, tier)).collect();
        ChannelRule { header: header(rule.header, problems), trusted_from: rule.trusted_from, ceilings }
    });
    Identity {
        workload,
        user: typed.user.and_then(|rule| user(rule, problems)),
        purpose_header: typed.purpose.map(|rule| header(rule.header, problems)),
        channel,
        credentials: typed.credentials.map(|list| credentials(&list, problems)).unwrap_or_default(),
        autonomous: typed.automation.and_then(|rule| rule.autonomous).map(|rule| rule.workload).unwrap_or_default(),
    }
}

fn credentials(list: &Spanned<Vec<Spanned<String>>>, problems: &mut Problems) -> Vec<Credential> {
    refuse_empty(list, "no credential would be looked for", problems);
    let read = |text: &Spanned<String>, problems: &mut Problems| {
        let at = |name: &str| Spanned { value: name.to_owned(), place: text.place.clone() };
        match text.split_once(':') {
            Some(("header", name)) => Some(Credential::Header(header(at(name), problems))),
            Some(("cookie", name)) if !name.is_empty() => Some(Credential::Cookie(name.to_owned())),
            Some(("query", name)) if !name.is_empty() => Some(Credential::Query(name.to_owned())),
            _ => {
                let problem = Problem::at(&text.place, format!("`{}` is not a place of a credential", text.value));
                problems.push(problem.help("`header:authorization`, `cookie:session` or `query:access_token`"));
                None
            }
        }
    };
    list.value.iter().filter_map(|text| read(text, problems)).collect()
}

fn user(typed: User, problems: &mut Problems) -> Option<UserRule> {
    let parts = typed.from.strip_prefix("metadata:").and_then(|rest| rest.split_once('/'));
    let Some((namespace, key)) = parts.filter(|(namespace, key)| !namespace.is_empty() && !key.is_empty()) else {
        let problem =
            Problem::at(&typed.from.place, format!("`{}` is not a place in the proxy's metadata", typed.from.value));
        problems.push(
            problem.help("write `metadata:NAMESPACE/KEY`, such as `metadata:envoy.filters.http.jwt_authn/claims`"),
        );
        return None;
    };
    let map = typed.map;
    let claim = |given: fn(&crate::bundle::documents::ground::ClaimMap) -> &Option<Pointer>| {
        map.as_ref().and_then(|map| given(map).clone())
    };
    // The names that OpenID Connect and RFC 8693 give them.
    let standard = |name| Some(Pointer::to_key(name));
    Some(UserRule {
        namespace: namespace.to_owned(),
        key: key.to_owned(),
        id: claim(|map| &map.id).unwrap_or_else(|| Pointer::to_key("sub")),
        roles: claim(|map| &map.roles),
        actor: claim(|map| &map.actor).or_else(|| standard("act")),
        acr: claim(|map| &map.acr).or_else(|| standard("acr")),
        auth_time: claim(|map| &map.auth_time).or_else(|| standard("auth_time")),
        purpose: claim(|map| &map.purpose),
        tenant: claim(|map| &map.tenant),
    })
}

/// Headers that mean something else already, to us or to everybody.
fn refuse_taken(name: &Spanned<String>, problems: &mut Problems) {
    let ours = name.starts_with("tollgate") && !same_to_many(name, "tollgate-purpose");
    let credentials = ["authorization", "cookie", "x-forwarded-client-cert"];
    if ours || FRAMING.iter().chain(&credentials).any(|taken| same_to_many(name, taken)) {
        let problem = Problem::at(&name.place, format!("the header `{}` means something else already", name.value));
        problems.push(problem.help("`tollgate-purpose` for the purpose, or a name of your own such as `x-channel`"));
    }
}

/// Header names in lower case, as the proxy hands them over.
pub(super) fn header(name: Spanned<String>, problems: &mut Problems) -> String {
    let (_, wrong) = Headers::read(&[(name.as_str(), b"")]);
    if wrong.is_some() || name.starts_with(':') || name.bytes().any(|b| b.is_ascii_uppercase()) {
        let problem = Problem::at(&name.place, format!("`{}` is not a header's name in lower case", name.value));
        problems.push(problem.help(format!("write `{}`", name.to_ascii_lowercase().trim_start_matches(':'))));
    }
    name.value
}

/// Every request of an action is compared with the lists of the contracts that grant it.
const MAX_LIST: usize = 1000;

pub(super) fn refuse_long<T>(list: &Spanned<Vec<T>>, problems: &mut Problems) {
    if list.len() > MAX_LIST {
        let problem =
            Problem::at(&list.place, format!("a list of {}: at most {MAX_LIST} can be looked at in time", list.len()));
        problems.push(problem.help("a trailing `/*` stands for many workloads, a role for many users"));
    }
}

pub(super) fn refuse_empty<T>(list: &Spanned<Vec<T>>, consequence: &str, problems: &mut Problems) {
    if list.is_empty() {
        problems.push(Problem::at(&list.place, format!("an empty list: {consequence}")));
    }
}
