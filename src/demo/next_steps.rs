//! What to try next, while the demo stays up: a call to make by hand, and a file to edit.
//!
//! The commands are complete: they can be pasted into a shell in the folder that the demo was started in.

use std::io::Write;
use std::path::Path;

use super::cast::SUPPORT_AGENT;
use super::stage::{FRONT, Stage};

/// The call that is proposed.
pub(super) fn curl(stage: &Stage) -> anyhow::Result<String> {
    let port = stage.envoy.address(FRONT)?.port();
    let shown = |name: &str| quoted(&stage.work.shown(name));
    let workload = SUPPORT_AGENT.workload_name();
    Ok(format!(
        "curl -i --cacert {} --cert {} --key {} \\\n    --resolve api.shop.example:{port}:127.0.0.1 \\\n    \
         -H \"authorization: Bearer $(cat {})\" \\\n    https://api.shop.example:{port}/v1/orders/1042",
        shown("pki/ca.pem"),
        shown(&format!("pki/{workload}.pem")),
        shown(&format!("pki/{workload}.key")),
        shown(&format!("tokens/{}", SUPPORT_AGENT.name)),
    ))
}

/// Prints the proposals.
pub(super) fn print(stage: &Stage, out: &mut impl Write) -> anyhow::Result<()> {
    let file = stage.file_with_contract("support-desk")?;
    let file = file.strip_prefix(stage.work.path("")).unwrap_or(&file);
    writeln!(out, "\nwhat to try next (Envoy, Tollgate and the services stay up):\n")?;
    writeln!(out, "  {}\n", curl(stage)?.replace('\n', "\n  "))?;
    writeln!(out, "  then take `order.read:` out of the contract `support-desk` in {}", shown(stage, file))?;
    writeln!(out, "  and call again: 403, contract.none, a moment after you save.\n")?;
    for (file, what) in [
        ("tollgate/tollgate.log", "what Tollgate logs, a broken edit with its line included"),
        ("envoy/access.log", "each call with its action, tier, verdict, reason and receipt"),
        ("envoy/envoy.json", "how Envoy was told to ask"),
    ] {
        writeln!(out, "  {}  {what}", shown(stage, Path::new(file)))?;
    }
    writeln!(out, "\nCtrl-C stops everything.")?;
    Ok(())
}

fn shown(stage: &Stage, file: &Path) -> String {
    stage.work.shown(file).display().to_string()
}

/// As a shell takes it for one word.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_a_space_or_a_quote_stays_one_word() {
        assert_eq!(quoted(Path::new(".demo/pki/ca.pem")), ".demo/pki/ca.pem");
        assert_eq!(quoted(Path::new("it's here/ca.pem")), r"'it'\''s here/ca.pem'");
    }
}
