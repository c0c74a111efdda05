//! Messages of gRPC: the descriptors of a service, and whether inputs stand where they say.

use prost::Message as _;
use prost_reflect::prost_types::FileDescriptorSet;
use prost_reflect::{DescriptorPool, MessageDescriptor};
use sha2::{Digest, Sha256};

use super::service::{Compiler, Site};
use crate::bundle::read::Spanned;
use crate::catalog::{FieldType, Form, Input, InputKind, Location, Message, Placed, Spelled};
use crate::receipt::hex;
use crate::terms::Pointer;
use crate::yaml::Problem;

impl Compiler<'_> {
    /// The descriptors of a service's messages, and their digest.
    pub(super) fn descriptors(&mut self, text: &Spanned<String>) -> Option<(String, DescriptorPool)> {
        let compact: String = text.split_ascii_whitespace().collect();
        let bytes = data_encoding::BASE64.decode(compact.as_bytes());
        let pool = bytes.map_err(|error| error.to_string()).and_then(|bytes| {
            let files = FileDescriptorSet::decode(bytes.as_slice()).map_err(|error| error.to_string())?;
            // `prost-reflect` 0.16 panics over another syntax in the first file: it looks for a file that it does not have yet.
            if let Some(file) = files.file.iter().find(|file| !["", "proto2", "proto3"].contains(&file.syntax())) {
                return Err(format!("the syntax `{}` is not read, `proto2` and `proto3` are", file.syntax()));
            }
            let pool = DescriptorPool::decode(bytes.as_slice()).map_err(|error| error.to_string())?;
            Ok((hex(&Sha256::digest(&bytes)), pool))
        });
        match pool {
            Ok(pool) => Some(pool),
            Err(error) => {
                let problem = Problem::at(&text.place, format!("these are no descriptors: {error}"));
                self.problems.push(problem.help(
                    "a `FileDescriptorSet` with its imports, in base64: protoc --include_imports --descriptor_set_out=/dev/stdout … | base64",
                ));
                None
            }
        }
    }

    /// What the body of a gRPC route is, where descriptors tell.
    pub(super) fn message(&mut self, site: &Site, form: &Spanned<Form>, inputs: &[Placed]) -> Option<Message> {
        let (Form::Grpc(template), Some(pool)) = (&form.value, &site.messages) else { return None };
        let path = template.to_string();
        let (service, method) = path.trim_start_matches('/').split_once('/').unwrap_or_default();
        let found = pool.get_service_by_name(service);
        let found = found.and_then(|service| service.methods().find(|one| one.name() == method));
        let Some(found) = found else {
            let problem = Problem::at(&form.place, format!("the descriptors have no method `{service}/{method}`"));
            let all = pool.services().flat_map(|one| {
                let name = one.full_name().to_owned();
                one.methods().map(move |method| format!("{name}/{}", method.name())).collect::<Vec<_>>()
            });
            let all: Vec<_> = all.collect();
            let meant = self.problems.nearest(&format!("{service}/{method}"), all.iter().map(String::as_str));
            self.problems.push(match meant {
                Some(meant) => problem.help(format!("did you mean `{meant}`?")),
                None => problem.help("they are of another version, or lack a file"),
            });
            return None;
        };
        if found.is_client_streaming() {
            // A stream is several messages: none of them is the one.
            return None;
        }
        let message = Message::new(found.input());
        for placed in inputs {
            self.check_field(&message, form, &placed.at, expected(&placed.input));
            if let Some(at) = &placed.currency_at {
                self.check_field(&message, form, at, FieldType::Text);
            }
        }
        Some(message)
    }

    fn check_field(&mut self, message: &Message, form: &Spanned<Form>, at: &Location, expected: FieldType) {
        let Location::Body(pointer) = at else { return };
        let problem = match message.field_type(pointer) {
            Ok(found) if found == expected => return,
            Ok(found) => {
                let text = format!("`body:{pointer}` of `{}` is {}", message.name(), in_words(found));
                Problem::at(&form.place, text).help(format!("the input would need {}", in_words(expected)))
            }
            Err(lacking) => self.no_field(form, pointer, &lacking),
        };
        self.problems.push(problem);
    }

    fn no_field(&self, form: &Spanned<Form>, pointer: &Pointer, lacking: &MessageDescriptor) -> Problem {
        let fields: Vec<_> = lacking.fields().map(|field| field.name().to_owned()).collect();
        let problem = Problem::at(&form.place, format!("`{}` has nothing at `{pointer}`", lacking.full_name()));
        let last = pointer.keys().last().unwrap_or_default();
        match self.problems.nearest(&last, fields.iter().map(String::as_str)) {
            Some(meant) => problem.help(format!("did you mean `{meant}`?")),
            None => problem.help(format!("it has {}", fields.join(", "))),
        }
    }
}

/// What an input must be in a message.
const fn expected(input: &Input) -> FieldType {
    match (input.kind, input.spelled) {
        (InputKind::Text, _) | (_, Spelled::Text) => FieldType::Text,
        (InputKind::Boolean, _) => FieldType::Boolean,
        (InputKind::Integer | InputKind::Decimal | InputKind::Money { .. }, Spelled::Number) => FieldType::Integer,
    }
}

const fn in_words(of: FieldType) -> &'static str {
    match of {
        FieldType::Text => "a string",
        FieldType::Integer => "a whole number",
        FieldType::Float => "a float, which is not exact",
        FieldType::Boolean => "a bool",
        FieldType::Other => "no single value",
    }
}
