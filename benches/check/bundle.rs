//! As many actions as one likes: two that are measured, and generated ones beside them.
//!
//! Every action has a typed input, a contract with a condition on it, and headers that its service does not get. The
//! generated routes stand under the same host as the requests that are measured, and the same caller has a contract for
//! each of them, so that whoever searches for the action or for its contracts one by one would be seen to.
//!
//! It stands alone, since a test takes it from here too.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;

pub(crate) const HOST: &str = "api.shop.example";
pub(crate) const DESK: &str = "spiffe://cluster.local/ns/support/sa/agent-desktop";
/// The measured request without a body asks for this action, the one with a body for the other.
pub(crate) const QUOTE: &str = "refund.quote";
pub(crate) const ISSUE: &str = "refund.issue";
/// Of both: a record that is not waited for.
pub(crate) const TIER: &str = "personal";
/// What both may come to, in EUR.
pub(crate) const MOST: u32 = 200;

const MEASURED: usize = 2;
const ACTIONS_OF_A_SERVICE: usize = 100;
const TIERS: [&str; 4] = ["open", "personal", "sensitive", "impact"];
const INPUTS: &str = "inputs: { amount: { money: { unit: major, min: 0.01 } } }";
const REMOVED: &str = "requestHeaders: { remove: [authorization, cookie] }";
const CALLER: &str = "purposes: [essential.service.operations.support]\nretain: { for: 30d, cache: no-store }";

const GROUND: &str = r#"apiVersion: tollgate.dev/v1alpha1
kind: Defaults
metadata: { name: defaults }
mode: enforce
unmapped: { read: deny, write: deny }
---
apiVersion: tollgate.dev/v1alpha1
kind: Identity
metadata: { name: shop }
workload: { from: [mtls], trustDomains: [cluster.local] }
user:
  from: "metadata:envoy.filters.http.jwt_authn/claims"
  map: { id: /sub, roles: /roles, actor: /act, acr: /acr, authTime: /auth_time, tenant: /tenant }
purpose: { header: tollgate-purpose }
"#;

/// What the generated actions are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beside {
    /// As those that are measured.
    Alike,
    /// A route and a grant: for whom thousands of conditions take too long to load.
    Plain,
}

/// Writes a bundle of this many actions to an empty folder.
pub(crate) fn write(actions: usize, beside: Beside, folder: &Path) -> anyhow::Result<()> {
    let (mut services, mut contracts) = (GROUND.to_owned(), String::new());
    measured(&mut services, &mut contracts)?;
    let generated: Vec<usize> = (MEASURED..actions).collect();
    for (number, actions) in generated.chunks(ACTIONS_OF_A_SERVICE).enumerate() {
        service(&mut services, number, actions, beside)?;
        contract(&mut contracts, &format!("desk-{number}"), DESK, number, actions, beside)?;
        if beside == Beside::Plain {
            continue;
        }
        let team = format!("spiffe://cluster.local/ns/team-{number}/sa/app");
        contract(&mut contracts, &format!("team-{number}"), &team, number, actions, beside)?;
    }
    std::fs::create_dir_all(folder).with_context(|| format!("can't create `{}`", folder.display()))?;
    for (name, text) in [("services.yaml", services), ("contracts.yaml", contracts)] {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("can't write `{}`", path.display()))?;
    }
    Ok(())
}

/// The two that are asked for: the amount stands in the query, and in the body.
fn measured(services: &mut String, contracts: &mut String) -> std::fmt::Result {
    begin(services, "Service", "refunds")?;
    writeln!(services, "hosts: [{HOST}]\nactions:")?;
    let routes = [(QUOTE, "GET", "refund-quote", "query:"), (ISSUE, "POST", "refunds", "body:/")];
    for (action, method, last, place) in routes {
        writeln!(services, "  {action}:\n    tier: {TIER}\n    {INPUTS}\n    {REMOVED}\n    routes:")?;
        writeln!(services, "      - http: \"{method} /v1/orders/{{order}}/{last}\"")?;
        writeln!(services, "        at: {{ amount: \"{place}amount\", amount.currency: \"{place}currency\" }}")?;
    }
    begin(contracts, "Contract", "desk")?;
    who(contracts, DESK)?;
    for action in [QUOTE, ISSUE] {
        writeln!(contracts, "  {action}: {{ limit: {{ amount: {MOST}.00 EUR }}, when: \"{}\" }}", condition())?;
    }
    Ok(())
}

fn service(to: &mut String, number: usize, actions: &[usize], beside: Beside) -> std::fmt::Result {
    begin(to, "Service", &format!("area-{number}"))?;
    writeln!(to, "hosts: [{HOST}]\nactions:")?;
    for action in actions {
        let tier = TIERS.get(action % TIERS.len()).unwrap_or(&"open");
        let route = format!("http: \"GET /v1/area-{number}/kind-{action}/{{id}}\"");
        writeln!(to, "  {}:\n    tier: {tier}", name(number, *action))?;
        if beside == Beside::Plain {
            writeln!(to, "    routes: [{{ {route} }}]")?;
            continue;
        }
        writeln!(to, "    {INPUTS}\n    {REMOVED}")?;
        let at = "at: { amount: \"query:amount\", amount.currency: \"query:currency\" }";
        writeln!(to, "    routes: [{{ {route}, {at} }}]")?;
    }
    Ok(())
}

fn contract(
    to: &mut String,
    title: &str,
    workload: &str,
    number: usize,
    actions: &[usize],
    beside: Beside,
) -> std::fmt::Result {
    begin(to, "Contract", title)?;
    who(to, workload)?;
    for action in actions {
        let name = name(number, *action);
        let limit =
            if action.is_multiple_of(5) { format!("limit: {{ amount: {MOST}.00 EUR }}, ") } else { String::new() };
        match beside {
            Beside::Plain => writeln!(to, "  {name}:")?,
            Beside::Alike => writeln!(to, "  {name}: {{ {limit}when: \"{}\" }}", condition())?,
        }
    }
    Ok(())
}

fn who(to: &mut String, workload: &str) -> std::fmt::Result {
    writeln!(to, "who:\n  workload: [\"{workload}\"]\n  user: {{ anyRole: [support-agent] }}\n{CALLER}\nactions:")
}

fn condition() -> String {
    format!("inputs.amount <= money('{MOST}.00 EUR') && caller.tenant == 'eu'")
}

fn begin(to: &mut String, kind: &str, name: &str) -> std::fmt::Result {
    writeln!(to, "---\napiVersion: tollgate.dev/v1alpha1\nkind: {kind}")?;
    writeln!(to, "metadata: {{ name: {name}, owner: bench@shop.example }}")
}

fn name(number: usize, action: usize) -> String {
    format!("area-{number}.kind-{action}")
}
