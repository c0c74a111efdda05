//! Tiers and identity.

use crate::bundle::documents::ground::{Identity as Typed, TierDemands, Tiers as TypedTiers, User};
use crate::bundle::problem::{Problem, Problems};
use crate::bundle::read::Spanned;
use crate::catalog::{Assurance, Demands, Tiers};
use crate::facts::Headers;
use crate::identity::{ChannelRule, Identity, UserRule, WorkloadRule, is_channel};
use crate::terms::{Pointer, Tier};

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
        if let Some(demands) = demands {
            tiers.set(tier, self::demands(demands, problems));
        }
    }
    tiers
}

fn demands(typed: TierDemands, problems: &mut Problems) -> Demands {
    let mut demands = Demands { receipt: typed.receipt, ..Demands::default() };
    let Some(require) = typed.require else { return demands };
    demands.known_caller = require.caller.is_some();
    demands.declared_purpose = require.purpose.is_some();
    demands.assurance = require.assurance.map(|assurance| {
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
    demands
}

pub(super) fn identity(typed: Typed, problems: &mut Problems) -> Identity {
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
        autonomous: typed.automation.and_then(|rule| rule.autonomous).map(|rule| rule.workload).unwrap_or_default(),
    }
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
    })
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

pub(super) fn refuse_empty<T>(list: &Spanned<Vec<T>>, consequence: &str, problems: &mut Problems) {
    if list.is_empty() {
        problems.push(Problem::at(&list.place, format!("an empty list: {consequence}")));
    }
}
