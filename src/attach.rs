//! How Tollgate is attached to a mesh: the manifests that do it, and the mistakes that undo it without a word.
//!
//! Pure text in, text out: nothing here talks to a cluster. The templates are those of the Helm chart, so that `tollgate attach` and
//! the chart cannot differ.

pub mod doctor;
pub mod manifests;
