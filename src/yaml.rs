//! YAML as it was typed: a tree whose every node knows its place, and what is wrong, said with that place.
//!
//! Policies and the configuration file are read through it. It knows the syntax and no meaning.

mod node;
mod problem;

pub use node::{Dialect, Kind, Node, Syntax, documents, each_document, each_document_from};
pub use problem::{Place, Problem, Problems, SourceFile};
