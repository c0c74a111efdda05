//! What the demo shows: one line a call.
//!
//! On a terminal the table is as wide as the terminal; in a file or a pipe, as wide as it needs to be.

use std::io::Write;

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

use super::drive::Row;

const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

const NARROWEST: u16 = 100;

/// Prints the rows.
pub(super) fn print(rows: &[Row], out: &mut impl Write) -> anyhow::Result<()> {
    let mut table = Table::new();
    table.load_style(STYLE).set_content_arrangement(ContentArrangement::Dynamic);
    // Narrower than this, cells break within words: then rather let the terminal break the lines.
    if table.width().is_some_and(|width| width < NARROWEST) {
        table.set_width(NARROWEST);
    }
    table.set_header(["call", "action", "tier", "verdict", "reason", "added"]);
    for row in rows {
        let mark = if row.differences.is_empty() { "" } else { "✗ " };
        table.add_row([
            format!("{mark}{}", row.title),
            or_dash(&row.action),
            or_dash(&row.tier),
            verdict(row),
            or_dash(&row.reason),
            row.added_ms.map_or_else(|| "–".to_owned(), |ms| format!("{ms:.2} ms")),
        ]);
    }
    if let Some(added) = table.column_mut(5) {
        added.set_cell_alignment(CellAlignment::Right);
    }
    writeln!(out, "{}", table.trim_fmt())?;
    writeln!(out, "\nadded: the median of the call less the median without Tollgate, through the same Envoy")?;
    if cfg!(debug_assertions) {
        writeln!(out, "(this is a debug build of Tollgate: a release build adds a fraction of it)")?;
    }
    Ok(())
}

/// What was decided, and what the client got where that is another thing.
fn verdict(row: &Row) -> String {
    match (row.verdict.as_str(), row.status) {
        ("", status) => format!("– {status}"),
        ("allow", 200) => "allow".to_owned(),
        (would, 200) => format!("{would}, observed"),
        (verdict, status) => format!("{verdict} {status}"),
    }
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "–".to_owned() } else { text.to_owned() }
}
