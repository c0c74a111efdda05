//! The operations of a GraphQL request: each field at the top of each operation is one.
//!
//! A field counts by its name, never by its alias, through fragments, and whatever `@skip` and `@include` say. All
//! operations of a document count, also those that `operationName` does not choose: a server that chooses otherwise does
//! nothing that was not judged. A persisted document is an operation by its id. Parsing is `apollo-parser`'s, within
//! bounds; what a field gets as arguments is put together here.

mod arguments;

use std::collections::HashMap;

use apollo_parser::Parser;
use apollo_parser::cst::{Definition, FragmentDefinition, OperationDefinition, Selection, SelectionSet};
use arguments::Variables;
use sha2::{Digest, Sha256};

use super::mcp::MAX_ELEMENTS;
use super::{Element, Key, OperationKind};
use crate::facts::{Json, Query};
use crate::terms::Reason;

/// As deep as queries are that people write.
const MAX_DEPTH: usize = 64;
/// Tokens of one document: about 16 KiB of query.
const MAX_TOKENS: usize = 4_000;
/// Selections looked at while fragments are opened: a few fragments that name each other twice would be millions.
const MAX_SELECTIONS: usize = 1_000;

/// What a request may consist of.
const KEYS: [&str; 7] = ["query", "operationName", "variables", "extensions", "id", "documentId", "doc_id"];

/// The operations of a body; never none.
pub(super) fn read<'b>(body: &Json<'b>, query: &Query<'_>) -> Result<Vec<Element<'b>>, Reason> {
    // Some servers take a part that stands in the URL before the one in the body.
    if KEYS.iter().any(|key| query.has(key)) {
        return Err(Reason::QueryAmbiguous);
    }
    let requests = match body {
        Json::List(list) if list.len() > MAX_ELEMENTS => return Err(Reason::BatchTooLong),
        Json::List(list) if list.is_empty() => return Err(Reason::GraphqlMalformed),
        Json::List(list) => list.as_slice(),
        request => std::slice::from_ref(request),
    };
    let mut elements = Vec::new();
    for request in requests {
        elements.extend(read_request(request)?);
        if elements.len() > MAX_ELEMENTS {
            return Err(Reason::BatchTooLong);
        }
    }
    Ok(elements)
}

fn read_request<'b>(request: &Json<'b>) -> Result<Vec<Element<'b>>, Reason> {
    let Json::Object(entries) = request else { return Err(Reason::GraphqlMalformed) };
    if entries.iter().any(|(key, _)| !KEYS.contains(&key.as_ref())) {
        return Err(Reason::GraphqlMalformed);
    }
    let variables = match request.key("variables")? {
        None | Some(Json::Null) => Json::Object(Vec::new()),
        Some(variables @ Json::Object(_)) => variables.clone(),
        Some(_) => return Err(Reason::GraphqlMalformed),
    };
    let persisted = persisted_id(request)?;
    match (text(request, "query")?, persisted) {
        (None, None) => Err(Reason::GraphqlMalformed),
        (None, Some(id)) => {
            let key = Key::Persisted(id.text);
            Ok(vec![Element { key, message: request.clone(), arguments: variables }])
        }
        // Only a hash can be held against the document that comes along.
        (Some(query), Some(id)) if !id.is_hash || id.text != sha256(query) => Err(Reason::GraphqlPersisted),
        (Some(query), _) => read_document(query, text(request, "operationName")?, &variables, request),
    }
}

/// What names a document that the server knows.
struct PersistedId {
    text: String,
    is_hash: bool,
}

fn persisted_id(request: &Json<'_>) -> Result<Option<PersistedId>, Reason> {
    let hash = match request.key("extensions")? {
        None | Some(Json::Null) => None,
        Some(extensions @ Json::Object(_)) => match extensions.key("persistedQuery")? {
            None | Some(Json::Null) => None,
            Some(persisted) => Some(text(persisted, "sha256Hash")?.ok_or(Reason::GraphqlMalformed)?),
        },
        Some(_) => return Err(Reason::GraphqlMalformed),
    };
    let names = ["id", "documentId", "doc_id"].map(|key| text(request, key));
    let mut found = hash.map(|text| PersistedId { text: text.to_owned(), is_hash: true });
    for name in names {
        let Some(name) = name? else { continue };
        if found.replace(PersistedId { text: name.to_owned(), is_hash: false }).is_some() {
            return Err(Reason::GraphqlMalformed);
        }
    }
    let is_plain = |text: &str| {
        (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_:.-".contains(&b))
    };
    match found {
        Some(id) if !is_plain(&id.text) => Err(Reason::GraphqlMalformed),
        found => Ok(found),
    }
}

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A text behind a key; nothing and `null` are absent.
fn text<'j>(json: &'j Json<'_>, key: &str) -> Result<Option<&'j str>, Reason> {
    match json.key(key)? {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Text(text)) => Ok(Some(text)),
        Some(_) => Err(Reason::GraphqlMalformed),
    }
}

fn read_document<'b>(
    query: &str,
    chosen: Option<&str>,
    variables: &Json<'b>,
    request: &Json<'b>,
) -> Result<Vec<Element<'b>>, Reason> {
    let tree = Parser::new(query).recursion_limit(MAX_DEPTH).token_limit(MAX_TOKENS).parse();
    let mut errors = tree.errors().peekable();
    if errors.peek().is_some() {
        return Err(if errors.any(apollo_parser::Error::is_limit) {
            Reason::GraphqlTooComplex
        } else {
            Reason::GraphqlMalformed
        });
    }
    let mut document = Document::default();
    for definition in tree.document().definitions() {
        document.add(definition)?;
    }
    document.choose(chosen)?;
    let mut elements = Vec::new();
    for operation in &document.operations {
        let variables = Variables::of(operation, variables)?;
        let kind = kind(operation);
        let set = operation.selection_set().ok_or(Reason::GraphqlMalformed)?;
        let mut fields = Fields { document: &document, found: Vec::new(), looked_at: 0, open: Vec::new() };
        fields.collect(&set)?;
        for field in fields.found {
            let name = field.name().ok_or(Reason::GraphqlMalformed)?.text().to_string();
            let arguments = variables.arguments(field.arguments())?;
            elements.push(Element { key: Key::Graphql { kind, field: name }, message: request.clone(), arguments });
        }
    }
    // The name of the type is no data; alone it is still an operation, and one that a route must name.
    let is_type_name =
        |element: &Element<'_>| matches!(&element.key, Key::Graphql { field, .. } if field == "__typename");
    if !elements.iter().all(is_type_name) {
        elements.retain(|element| !is_type_name(element));
    }
    Ok(elements)
}

fn kind(operation: &OperationDefinition) -> OperationKind {
    match operation.operation_type() {
        Some(kind) if kind.mutation_token().is_some() => OperationKind::Mutation,
        Some(kind) if kind.subscription_token().is_some() => OperationKind::Subscription,
        _ => OperationKind::Query,
    }
}

/// The definitions of a document by name.
#[derive(Default)]
struct Document {
    operations: Vec<OperationDefinition>,
    fragments: HashMap<String, FragmentDefinition>,
}

impl Document {
    fn add(&mut self, definition: Definition) -> Result<(), Reason> {
        let name = definition.name().map(|name| name.text().to_string());
        match definition {
            Definition::OperationDefinition(operation) => self.operations.push(operation),
            Definition::FragmentDefinition(fragment) => {
                if self.fragments.insert(name.ok_or(Reason::GraphqlMalformed)?, fragment).is_some() {
                    return Err(Reason::GraphqlMalformed);
                }
            }
            // A schema is no request.
            _ => return Err(Reason::GraphqlMalformed),
        }
        Ok(())
    }

    /// `operationName` chooses one operation; without it there is one (GraphQL, section 6.1).
    fn choose(&self, chosen: Option<&str>) -> Result<(), Reason> {
        let name = |one: &OperationDefinition| one.name().map(|name| name.text().to_string());
        let mut names: Vec<_> = self.operations.iter().map(name).collect();
        let is_chosen = match chosen {
            None => names.len() == 1,
            Some(chosen) => names.iter().filter(|name| name.as_deref() == Some(chosen)).count() == 1,
        };
        names.sort();
        let all = names.len();
        names.dedup();
        let unclear = names.len() < all || (all > 1 && names.contains(&None));
        if is_chosen && !unclear { Ok(()) } else { Err(Reason::GraphqlOperation) }
    }
}

/// The fields at the top of an operation, fragments opened.
struct Fields<'d> {
    document: &'d Document,
    found: Vec<apollo_parser::cst::Field>,
    looked_at: usize,
    /// The fragments that are open: one within itself has no end.
    open: Vec<String>,
}

impl Fields<'_> {
    fn collect(&mut self, set: &SelectionSet) -> Result<(), Reason> {
        for selection in set.selections() {
            self.looked_at += 1;
            if self.looked_at > MAX_SELECTIONS {
                return Err(Reason::GraphqlTooComplex);
            }
            match selection {
                Selection::Field(field) => {
                    self.found.push(field);
                    if self.found.len() > MAX_ELEMENTS {
                        return Err(Reason::BatchTooLong);
                    }
                }
                Selection::InlineFragment(fragment) => {
                    self.collect(&fragment.selection_set().ok_or(Reason::GraphqlMalformed)?)?;
                }
                Selection::FragmentSpread(spread) => {
                    let name = spread.fragment_name().and_then(|name| name.name()).ok_or(Reason::GraphqlMalformed)?;
                    self.open_fragment(name.text().to_string())?;
                }
            }
        }
        Ok(())
    }

    fn open_fragment(&mut self, name: String) -> Result<(), Reason> {
        let fragment = self.document.fragments.get(&name).ok_or(Reason::GraphqlMalformed)?;
        if self.open.contains(&name) {
            return Err(Reason::GraphqlMalformed);
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(Reason::GraphqlTooComplex);
        }
        let set = fragment.selection_set().ok_or(Reason::GraphqlMalformed)?;
        self.open.push(name);
        self.collect(&set)?;
        self.open.pop();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
