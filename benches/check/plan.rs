//! Who is measured in which cell: the usual ones, or what was chosen by `--only` and `--subjects`.

use std::io::Write;
use std::rc::Rc;

use crate::args::Settings;
use crate::cell::{Body, Cell, Load, TRANSPORTS, Transport, Way};
use crate::contender::{self, Contender};

/// The matrix, filled in.
pub(crate) struct Plan {
    entries: Vec<(Cell, Vec<Rc<dyn Contender>>)>,
    contenders: Vec<Rc<dyn Contender>>,
}

impl Plan {
    pub(crate) fn try_new(settings: &Settings) -> anyhow::Result<Self> {
        let contenders = contender::all(settings)?;
        let is_chosen = |contender: &Rc<dyn Contender>| settings.names(&contender.name());
        for wanted in &settings.subjects {
            let names: Vec<_> = contenders.iter().map(|one| one.name()).collect();
            anyhow::ensure!(
                names.iter().any(|name| name.starts_with(wanted.as_str())),
                "there is no subject `{wanted}`; there are {}",
                names.join(", ")
            );
        }
        let mut entries = Vec::new();
        for cell in cells(settings)? {
            let here = contenders.iter().filter(|one| cell.way == Way::Direct || one.behind_envoy().is_some());
            let here = here.filter(|one| one.can(cell));
            let here =
                here.filter(|one| if settings.subjects.is_empty() { one.is_usual(cell) } else { is_chosen(one) });
            let here: Vec<_> = here.cloned().collect();
            // Alone, the floor is compared with nobody: a transport that Tollgate does not speak.
            let is_alone = settings.subjects.is_empty() && here.len() < 2;
            if !here.is_empty() && !is_alone {
                entries.push((cell, here));
            }
        }
        anyhow::ensure!(!entries.is_empty(), "nobody that was chosen can be measured in a cell that was chosen");
        Ok(Self { entries, contenders })
    }

    pub(crate) fn cells(&self) -> Vec<Cell> {
        self.entries.iter().map(|(cell, _)| *cell).collect()
    }

    pub(crate) fn has(&self, cell: Cell, name: &str) -> bool {
        self.entries.iter().any(|(one, here)| *one == cell && here.iter().any(|contender| contender.name() == name))
    }

    /// Whether Envoy asks it over this transport.
    pub(crate) fn is_behind_envoy(&self, name: &str, transport: Transport) -> bool {
        self.cells().iter().any(|cell| cell.way == Way::Envoy && cell.transport == transport && self.has(*cell, name))
    }

    /// What must be started: each contender once for each transport that it is asked over.
    pub(crate) fn processes(&self) -> Vec<(Rc<dyn Contender>, Vec<Transport>)> {
        let transports = |contender: &Rc<dyn Contender>| {
            let cells = self.cells().into_iter().filter(|cell| self.has(*cell, &contender.name()));
            let mut all: Vec<_> = cells.map(|cell| cell.transport).collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        let all = self.contenders.iter().map(|contender| (Rc::clone(contender), transports(contender)));
        all.filter(|(_, transports)| !transports.is_empty()).collect()
    }

    /// Says what would be measured.
    pub(crate) fn list(&self, out: &mut impl Write) -> std::io::Result<()> {
        for (cell, here) in &self.entries {
            let names: Vec<_> = here.iter().map(|contender| contender.name()).collect();
            writeln!(out, "{:<24} {}", cell.id(), names.join(" "))?;
        }
        Ok(())
    }
}

fn cells(settings: &Settings) -> anyhow::Result<Vec<Cell>> {
    let all = all(settings);
    for pattern in &settings.only {
        anyhow::ensure!(
            all.iter().any(|cell| cell.matches(pattern)),
            "no cell is `{pattern}`: a cell is direct or envoy, tcp, unix or mtls, bare or json, closed or one of the rates"
        );
    }
    let is_chosen = |cell: &Cell| {
        if settings.only.is_empty() {
            is_usual(*cell, settings)
        } else {
            settings.only.iter().any(|pattern| cell.matches(pattern))
        }
    };
    Ok(all.into_iter().filter(is_chosen).collect())
}

/// Whether it is measured where nobody chooses.
fn is_usual(cell: Cell, settings: &Settings) -> bool {
    let first = |rates: &[u32]| rates.first().copied().map(Load::Rate);
    match (cell.way, cell.transport, cell.body) {
        (_, Transport::Tcp, Body::Bare) => true,
        (Way::Direct, _, Body::Bare) | (Way::Direct, Transport::Tcp, Body::Json) => {
            cell.load == Load::Closed || Some(cell.load) == first(&settings.rates)
        }
        (Way::Envoy, Transport::Tcp, Body::Json) => Some(cell.load) == first(&settings.envoy_rates),
        _ => false,
    }
}

/// The whole matrix, in the order in which it is measured: a closed loop before the rates, so that it is known what a
/// server can take at all.
fn all(settings: &Settings) -> Vec<Cell> {
    let ways = [(Way::Direct, &settings.rates), (Way::Envoy, &settings.envoy_rates)];
    let mut cells = Vec::new();
    for (way, rates) in ways.into_iter().filter(|(way, _)| *way == Way::Direct || settings.envoy.is_some()) {
        for (transport, body) in TRANSPORTS.into_iter().flat_map(|one| [(one, Body::Bare), (one, Body::Json)]) {
            let loads = [Load::Closed].into_iter().chain(rates.iter().copied().map(Load::Rate));
            cells.extend(loads.map(|load| Cell { way, transport, body, load }));
        }
    }
    cells
}
