//! All policies that are in force together: one compiled, validated, immutable set, named by its digest.
//!
//! [`load`] takes files and gives a bundle with its cases, or everything that is wrong with them. There is no bundle with a
//! part missing. File names carry no meaning: the same documents in other files are the same bundle.

mod cases;
mod compile;
mod diff;
mod documents;
mod manifest;
mod read;

use std::sync::Arc;

pub use cases::{Asked, Case, Expected};
pub use diff::{Change, Turn, diff};
pub use documents::{API_VERSION, schema};
pub use manifest::{Manifest, Packed, load_packed, read_manifest};
use sha2::{Digest, Sha256};

use crate::catalog::Catalog;
use crate::contract::{Contracts, Guardrails};
use crate::identity::Identity;
use crate::receipt::hex;
use crate::terms::Mode;
use crate::yaml::{self, Problem, Problems, SourceFile};

/// A bundle. It is swapped whole; one call sees one bundle.
#[derive(Debug)]
pub struct Bundle {
    /// SHA-256 over its files, in lower-case hexadecimal.
    pub digest: String,
    /// Whether the whole gate observes.
    pub mode: Mode,
    /// How proofs become parties.
    pub identity: Identity,
    /// What can be done.
    pub catalog: Catalog,
    /// Who may.
    pub contracts: Contracts,
    /// What nobody may.
    pub guardrails: Guardrails,
    /// Who may do what is not in the catalogue.
    pub unmapped: Unmapped,
    /// The names that are taken out of every request: ours, Envoy's, those of other paths, and those that say who someone
    /// is. Sorted, in both spellings, each once.
    pub always_removed: Vec<String>,
}

/// Who may do what is not in the catalogue: the places of contracts; nobody where there is none.
#[derive(Debug, Default)]
pub struct Unmapped {
    /// GET and HEAD.
    pub read: Vec<usize>,
    /// All other methods.
    pub write: Vec<usize>,
}

/// A bundle, and the cases that came with it.
#[derive(Debug)]
pub struct Loaded {
    /// The bundle.
    pub bundle: Bundle,
    /// What must come out of it.
    pub cases: Vec<Case>,
}

/// What some files of a bundle say, and what is wrong with them. Whether all files go together is another question.
#[derive(Debug)]
pub struct Part {
    documents: Vec<documents::Document>,
    problems: Problems,
}

/// Ten thousand actions take a fifth of this; a ConfigMap holds 1 MiB.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Loads a bundle from its files, whole, or says all that is wrong.
pub fn load(files: &[SourceFile]) -> Result<Loaded, Problems> {
    load_owned(files.to_vec())
}

/// The same, of files that nobody needs any more: their texts are not held twice.
pub fn load_owned(files: Vec<SourceFile>) -> Result<Loaded, Problems> {
    load_by(files, |files| vec![Part::read(files)])
}

/// The same, of files that the caller reads as [`Part`]s in its own way, in their order.
pub fn load_by(files: Vec<SourceFile>, read: impl FnOnce(Vec<SourceFile>) -> Vec<Part>) -> Result<Loaded, Problems> {
    let mut problems = Problems::default();
    let digest = digest(&files);
    let documents = documents_of(files, read, &mut problems)?;
    if documents.is_empty() && problems.is_empty() {
        problems.push(
            Problem::of_whole("there is no policy document")
                .help("an empty bundle would deny everything; `Defaults` with `mode: observe` is a start"),
        );
    }
    let read = if problems.is_empty() { compile::Documents::AllRead } else { compile::Documents::SomeUnread };
    let (bundle, cases) = compile::compile(documents, read, digest, &mut problems);
    if problems.is_empty() {
        return Ok(Loaded { bundle, cases });
    }
    problems.sort();
    Err(problems)
}

/// What is wrong with files that are a part of a bundle, whatever the other parts hold: what they refer to and do not declare
/// may stand there.
pub fn check_part(files: Vec<SourceFile>) -> Result<(), Problems> {
    let mut problems = Problems::default();
    let documents = documents_of(files, |files| vec![Part::read(files)], &mut problems)?;
    compile::compile(documents, compile::Documents::SomeUnread, String::new(), &mut problems);
    problems.sort();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// The documents of all files. What is wrong with them is added; too much of them is not read at all.
fn documents_of(
    files: Vec<SourceFile>,
    read: impl FnOnce(Vec<SourceFile>) -> Vec<Part>,
    problems: &mut Problems,
) -> Result<Vec<documents::Document>, Problems> {
    if files.iter().map(|file| file.text.len()).sum::<usize>() > MAX_BYTES {
        problems.push(Problem::of_whole(format!("the files of a bundle have at most {MAX_BYTES} bytes together")));
        return Err(std::mem::take(problems));
    }
    let mut documents = Vec::new();
    for part in read(files) {
        documents.extend(part.documents);
        problems.append(part.problems);
    }
    Ok(documents)
}

impl Part {
    /// Reads some files. The problems of one part are bounded, however many files it has.
    pub fn read(files: Vec<SourceFile>) -> Self {
        let (mut documents, mut problems) = (Vec::new(), Problems::default());
        for file in files {
            documents.extend(read_file(&Arc::new(file), &mut problems));
        }
        Self { documents, problems }
    }
}

/// The documents of one file, each read as soon as it is there; none where the file is no YAML to its end.
fn read_file(file: &Arc<SourceFile>, problems: &mut Problems) -> Vec<documents::Document> {
    let (mut documents, mut wrong) = (Vec::new(), Problems::default());
    let take = |node| documents.extend(documents::read_document(node, &mut wrong));
    match yaml::each_document(file, yaml::Dialect::Ours, problems, take) {
        yaml::Syntax::Whole => {
            problems.append(wrong);
            documents
        }
        // What stands before a break may be half of what was meant.
        yaml::Syntax::Broken => Vec::new(),
    }
}

/// Whether a file of this name holds policies; others may lie beside them.
pub fn is_policy_file(name: &str) -> bool {
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    end.eq_ignore_ascii_case("yaml") || end.eq_ignore_ascii_case("yml")
}

/// SHA-256 over the sorted digests of the files' contents: neither names nor their order change it.
pub fn digest(files: &[SourceFile]) -> String {
    digest_of(files.iter().map(|file| Sha256::digest(file.text.as_bytes())).collect())
}

/// The same, from SHA-256 of each file's content.
pub fn digest_of(mut contents: Vec<sha2::digest::Output<Sha256>>) -> String {
    contents.sort_unstable();
    hex(&contents.iter().fold(Sha256::new(), Digest::chain_update).finalize())
}

#[cfg(test)]
mod tests;
