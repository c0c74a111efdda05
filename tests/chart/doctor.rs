//! What the chart renders, read by the doctor: it recommends what it does itself.

use tollgate::attach::doctor::{Severity, examine};
use tollgate::yaml::SourceFile;

use crate::helm::renders;

#[test]
fn the_doctor_finds_nothing_in_what_is_rendered() {
    for (name, render) in renders() {
        let report = examine(&[SourceFile { name: name.clone(), text: render.text.clone() }]);
        assert!(report.unread.is_empty(), "{name}: {}", report.unread);
        let found = report.findings.iter().filter(|finding| finding.code.severity != Severity::Note);
        let found: Vec<_> = found.map(|finding| format!("{}: {}", finding.code.name, finding.problem)).collect();
        assert!(found.is_empty(), "{name}: {found:#?}");
    }
}
