//! Ten thousand actions: the shipped policies, and as many generated ones beside them as are missing.
//!
//! The generated routes stand under the same host as the request that is measured, and the same caller has a contract for
//! every one of them, so that whoever searches for the action or for its contracts one by one would be seen to. A fifth
//! of the actions has an input and limits of action and contract.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Context as _;

use crate::request::{DESK, HOST};

/// With the shipped ones.
pub(crate) const ACTIONS: usize = 10_000;
const ACTIONS_OF_A_SERVICE: usize = 100;
const TIERS: [&str; 4] = ["open", "personal", "sensitive", "impact"];

/// Writes the bundle to an empty folder. `shipped_actions` is how many the shipped policies have.
pub(crate) fn write(shipped: &Path, shipped_actions: usize, folder: &Path) -> anyhow::Result<()> {
    tollgate::demo::files::copy_folder(shipped, folder)?;
    let generated: Vec<usize> = (shipped_actions..ACTIONS).collect();
    let (mut services, mut contracts) = (String::new(), String::new());
    for (number, actions) in generated.chunks(ACTIONS_OF_A_SERVICE).enumerate() {
        service(&mut services, number, actions)?;
        let team = format!("spiffe://cluster.local/ns/team-{number}/sa/app");
        contract(&mut contracts, &format!("team-{number}"), &team, number, actions)?;
        contract(&mut contracts, &format!("desk-{number}"), DESK, number, actions)?;
    }
    for (name, text) in [("generated-services.yaml", services), ("generated-contracts.yaml", contracts)] {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("can't write `{}`", path.display()))?;
    }
    Ok(())
}

fn service(to: &mut String, number: usize, actions: &[usize]) -> std::fmt::Result {
    begin(to, "Service", &format!("area-{number}"))?;
    writeln!(to, "hosts: [{HOST}]\nactions:")?;
    for action in actions {
        let tier = TIERS.get(action % TIERS.len()).unwrap_or(&"open");
        let route = format!("GET /v1/area-{number}/kind-{action}/{{id}}");
        writeln!(to, "  {}:\n    tier: {tier}", name(number, *action))?;
        if has_limit(*action) {
            writeln!(to, "    inputs: {{ count: integer }}\n    limit: {{ count: 100 }}")?;
            writeln!(to, "    routes: [{{ http: \"{route}\", at: {{ count: \"query:limit\" }} }}]")?;
        } else {
            writeln!(to, "    routes: [{{ http: \"{route}\" }}]")?;
        }
    }
    Ok(())
}

fn contract(to: &mut String, title: &str, workload: &str, number: usize, actions: &[usize]) -> std::fmt::Result {
    begin(to, "Contract", title)?;
    writeln!(to, "who:\n  workload: [\"{workload}\"]\n  user: {{ anyRole: [support-agent] }}")?;
    writeln!(to, "purposes: [essential.service.operations.support]\nactions:")?;
    for action in actions {
        let limit = if has_limit(*action) { " { limit: { count: 20 } }" } else { "" };
        writeln!(to, "  {}:{limit}", name(number, *action))?;
    }
    Ok(())
}

fn begin(to: &mut String, kind: &str, name: &str) -> std::fmt::Result {
    writeln!(to, "---\napiVersion: tollgate.dev/v1alpha1\nkind: {kind}")?;
    writeln!(to, "metadata: {{ name: {name}, owner: bench@shop.example }}")
}

fn name(number: usize, action: usize) -> String {
    format!("area-{number}.kind-{action}")
}

const fn has_limit(action: usize) -> bool {
    action.is_multiple_of(5)
}
