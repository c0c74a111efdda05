//! What `diff` says is why a verdict changes: over generated policies, edits of them, and all requests that they know.

use std::fmt::Write as _;

use super::*;
use crate::bundle::diff;
use crate::catalog::Found;

/// Policies by their genes: each chooses one part.
#[derive(Debug, Clone)]
struct Genes(Vec<u8>);

const GENES: usize = 26;

impl Genes {
    fn pick<'t>(&self, gene: usize, of: &[&'t str]) -> &'t str {
        of[usize::from(self.0[gene]) % of.len()]
    }

    fn bundle(&self) -> Bundle {
        let mut text = String::new();
        let mut document = |kind: &str, name: &str, body: &str| {
            write!(
                text,
                "---\napiVersion: tollgate.dev/v1alpha1\nkind: {kind}\nmetadata: {{ name: {name}, owner: o }}\n{body}\n"
            )
            .unwrap();
        };
        let unmapped = self.pick(0, &["{}", "{ read: { grantTo: [one] } }", "{ write: { grantTo: [two] } }"]);
        let mode = self.pick(1, &["enforce", "enforce", "enforce", "observe"]);
        document("Defaults", "d", &format!("mode: {mode}\nheaders: [x-h]\nunmapped: {unmapped}"));
        document(
            "Tiers",
            "t",
            self.pick(
                2,
                &[
                    "open: {}",
                    "personal: { require: {} }",
                    "sensitive: { require: { caller: known, assurance: { acr: [mfa] } } }",
                ],
            ),
        );
        let trusted = self.pick(3, &["d", "d, e"]);
        let purpose = self.pick(4, &["", "purpose: { header: p }"]);
        let channel =
            self.pick(5, &["", "channel: { header: c, trustedFrom: [\"spiffe://d/a\"], ceilings: { voice: open } }"]);
        let credentials = self.pick(6, &["", "credentials: [\"header:x-h\", \"header:p\"]"]);
        document(
            "Identity",
            "i",
            &format!("workload: {{ from: [mtls], trustDomains: [{trusted}] }}\n{purpose}\n{channel}\n{credentials}"),
        );
        let tier = |gene| self.pick(gene, &["open", "personal", "sensitive"]);
        let limit = self.pick(9, &["", ", limit: { n: 5 }", ", limit: { n: 1 }"]);
        let from = self.pick(10, &["query", "query:m", "header:x-h"]);
        let path = self.pick(11, &["/x/{id}", "/x", "/y"]);
        let returns = self.pick(12, &["", ", returns: { /e: user.contact }"]);
        let service_mode = self.pick(13, &["", "mode: observe"]);
        document(
            "Service",
            "s",
            &format!(
                "hosts: [h.example]\n{service_mode}\nactions:\n  a.read: {{ tier: {}, inputs: {{ n: {{ type: integer, optional: true }} }}, routes: [{{ http: GET /a, at: {{ n: {from} }} }}]{limit}{returns} }}\n  a.write: {{ tier: {}, routes: [{{ http: \"POST {path}\" }}] }}",
                tier(7),
                tier(8),
            ),
        );
        for (name, at) in [("one", 14), ("two", 19)] {
            let who = self.pick(at, &["spiffe://d/a", "spiffe://d/b", "spiffe://d/*"]);
            let purposes = self.pick(at + 1, &["[p]", "[q]", "[p, q]"]);
            let read = self.pick(
                at + 2,
                &[
                    "",
                    "  a.read:\n",
                    "  a.read: { limit: { n: 3 } }\n",
                    "  a.read: { when: \"inputs.n < 3\" }\n",
                    "  a.read: { when: \"request.headers['x-h'] == '2'\" }\n",
                ],
            );
            let write = self.pick(at + 3, &["", "  a.write:\n"]);
            let mode = self.pick(at + 4, &["", "mode: observe\n"]);
            let actions = if read.is_empty() && write.is_empty() {
                "actions: {}\n".to_owned()
            } else {
                format!("actions:\n{read}{write}")
            };
            document(
                "Contract",
                name,
                &format!("who: {{ workload: [\"{who}\"] }}\npurposes: {purposes}\n{actions}{mode}"),
            );
        }
        let on = self.pick(
            24,
            &[
                "{ action: a.read }",
                "{ tier: [open, personal, sensitive], purpose: q }",
                "{ action: a.write, when: \"caller.automation == 'autonomous'\" }",
            ],
        );
        let then =
            self.pick(25, &["", "then: deny", "then: { never: [user] }", "then: { require: { purpose: declared } }"]);
        if !then.is_empty() {
            document("Guardrail", "g", &format!("on: {on}\n{then}"));
        }
        load(&[&text])
    }
}

fn requests() -> Vec<Asked> {
    let mut all = Vec::new();
    let lines = [
        ("GET", "/a"),
        ("GET", "/a?n=2"),
        ("GET", "/a?m=4"),
        ("POST", "/x"),
        ("POST", "/x/7"),
        ("POST", "/y"),
        ("GET", "/none"),
    ];
    let sent = [vec![], vec![("p", "q")], vec![("x-h", "2")], vec![("c", "voice")], vec![("x-h", "9"), ("p", "q")]];
    for (method, path) in lines {
        for workload in ["", "spiffe://d/a", "spiffe://d/b", "spiffe://e/a"] {
            all.extend(sent.iter().cloned().map(|headers| Asked { method, path, workload, headers }));
        }
    }
    all
}

/// What a change must be about to be the reason of another verdict: the bundle as a whole, or what has a say in this call.
fn has_a_say(about: &str, bundle: &Bundle, facts: &Facts<'_>) -> bool {
    let whole = ["the bundle", "identity", "what is unmapped", "service s"];
    let Found::Mapped(found) = bundle.catalog.find(facts.target.as_ref().unwrap()) else {
        // What has become unmapped, or has been: then the routes of an action are others.
        return whole.contains(&about) || about.starts_with("action ") || about.starts_with("contract ");
    };
    let action = &found.action;
    let granting = bundle.contracts.granting(found.id).any(|contract| about == format!("contract {}", contract.name));
    let guarding = bundle.guardrails.about(found.id).any(|one| about == format!("guardrail {}", one.name));
    let own = [format!("action {}", action.name), format!("tier {}", action.tier)];
    whole.contains(&about) || granting || guarding || own.iter().any(|one| one == about)
}

/// One request, as it is asked of both bundles.
struct Asked {
    method: &'static str,
    path: &'static str,
    workload: &'static str,
    headers: Vec<(&'static str, &'static str)>,
}

impl Asked {
    fn facts(&self) -> Facts<'_> {
        Facts::read(Told {
            method: self.method,
            host: "h.example",
            path: self.path,
            headers: self.headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect(),
            principal: self.workload,
            ..Told::default()
        })
    }
}

fn verdict(bundle: &Bundle, facts: &Facts<'_>) -> (Reason, Mode, String, bool) {
    let pseudonyms = Pseudonyms::for_cases();
    let now = Timestamp::constant(1_000_000, 0);
    let plan = plan(bundle, facts, &Context { now, receipt: Id::default(), trace_id: None, pseudonyms: &pseudonyms });
    (plan.summary.reason, plan.summary.mode, plan.summary.action.to_owned(), plan.passes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Each gene is changed alone, so that no other change can be taken for the reason.
    #[test]
    fn what_diff_says_is_why_a_verdict_changes(genes in prop::collection::vec(any::<u8>(), GENES)) {
        let before = Genes(genes.clone()).bundle();
        let requests = requests();
        let asked: Vec<_> = requests.iter().map(|one| (one, one.facts())).collect();
        let verdicts: Vec<_> = asked.iter().map(|(_, facts)| verdict(&before, facts)).collect();
        for (gene, value) in (0..GENES).flat_map(|gene| (0..5).map(move |value| (gene, value))) {
            let mut edited = genes.clone();
            edited[gene] = value;
            let after = Genes(edited).bundle();
            let changes = diff(&before, &after);
            for ((asked, facts), was) in asked.iter().zip(&verdicts) {
                let is = verdict(&after, facts);
                let explained = changes.iter().any(|change| {
                    has_a_say(&change.about, &before, facts) || has_a_say(&change.about, &after, facts)
                });
                let Asked { method, path, workload, headers } = asked;
                prop_assert!(*was == is || explained, "{method} {path} as {workload:?} with {headers:?}: {was:?} becomes {is:?}, and diff says {changes:?}");
            }
        }
    }
}
