//! What a field gets: its literals, and the variables in them.
//!
//! Numbers keep their digits and names of enums are texts. A variable without a value is its default, or else absent, and
//! then so is the argument that is it.

use std::borrow::Cow;

use apollo_parser::cst::{Arguments, CstNode, OperationDefinition, Value};

use crate::facts::Json;
use crate::terms::Reason;

/// Variables of one operation.
pub(super) struct Variables<'v, 'b> {
    given: &'v Json<'b>,
    defaults: Vec<(String, Option<Json<'b>>)>,
}

impl<'v, 'b> Variables<'v, 'b> {
    pub(super) fn of(operation: &OperationDefinition, given: &'v Json<'b>) -> Result<Self, Reason> {
        let mut defaults: Vec<(String, Option<Json<'b>>)> = Vec::new();
        let none = Variables { given: &Json::Null, defaults: Vec::new() };
        let definitions = operation.variable_definitions().map(|list| list.variable_definitions());
        for definition in definitions.into_iter().flatten() {
            let name =
                definition.variable().and_then(|one| one.name()).ok_or(Reason::GraphqlMalformed)?.text().to_string();
            let default = definition.default_value().and_then(|default| default.value());
            let default = default.map(|value| none.value(&value)).transpose()?.flatten();
            if defaults.iter().any(|(other, _)| *other == name) {
                return Err(Reason::GraphqlMalformed);
            }
            defaults.push((name, default));
        }
        Ok(Self { given, defaults })
    }

    /// The arguments of a field, as an object.
    pub(super) fn arguments(&self, arguments: Option<Arguments>) -> Result<Json<'b>, Reason> {
        let list = arguments.into_iter().flat_map(|arguments| arguments.arguments());
        self.object(list.map(|argument| (argument.name(), argument.value())))
    }

    fn object(
        &self,
        entries: impl Iterator<Item = (Option<apollo_parser::cst::Name>, Option<Value>)>,
    ) -> Result<Json<'b>, Reason> {
        let mut object: Vec<(Cow<'b, str>, Json<'b>)> = Vec::new();
        let mut names = std::collections::HashSet::new();
        for (name, value) in entries {
            let (Some(name), Some(value)) = (name, value) else { return Err(Reason::GraphqlMalformed) };
            let name = name.text().to_string();
            // Argument names are case-sensitive in GraphQL; two that differ in case alone are still no call of ours.
            if !names.insert(name.to_ascii_lowercase()) {
                return Err(Reason::GraphqlMalformed);
            }
            object.extend(self.value(&value)?.map(|value| (Cow::Owned(name), value)));
        }
        Ok(Json::Object(object))
    }

    /// A value; `None` for a variable that has none.
    fn value(&self, value: &Value) -> Result<Option<Json<'b>>, Reason> {
        Ok(Some(match value {
            Value::Variable(variable) => {
                let name = variable.name().ok_or(Reason::GraphqlMalformed)?.text().to_string();
                return self.variable(&name);
            }
            Value::StringValue(text) => Json::Text(Cow::Owned(String::from(text))),
            Value::FloatValue(number) => Json::Number(Cow::Owned(number.source_string().trim().to_owned())),
            Value::IntValue(number) => Json::Number(Cow::Owned(number.source_string().trim().to_owned())),
            Value::BooleanValue(word) => Json::Boolean(word.true_token().is_some()),
            Value::NullValue(_) => Json::Null,
            Value::EnumValue(word) => {
                Json::Text(Cow::Owned(word.name().ok_or(Reason::GraphqlMalformed)?.text().to_string()))
            }
            Value::ListValue(list) => {
                let values = list.values().map(|value| Ok(self.value(&value)?.unwrap_or(Json::Null)));
                Json::List(values.collect::<Result<_, Reason>>()?)
            }
            Value::ObjectValue(object) => {
                self.object(object.object_fields().map(|field| (field.name(), field.value())))?
            }
        }))
    }

    fn variable(&self, name: &str) -> Result<Option<Json<'b>>, Reason> {
        let declared = self.defaults.iter().find(|(one, _)| one == name).ok_or(Reason::GraphqlMalformed)?;
        Ok(self.given.key(name)?.cloned().or_else(|| declared.1.clone()))
    }
}
