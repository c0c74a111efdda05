//! gRPC methods as routes.

use super::Template;
use crate::terms::InvalidTerm;

/// Reads `shop.orders.v1.Orders/GetOrder` as the path of its requests.
pub fn parse_route(text: &str) -> Result<Template, InvalidTerm> {
    let invalid = || {
        InvalidTerm(format!(
            "`{text}` is not a gRPC method: a service and a method, such as `shop.orders.v1.Orders/GetOrder`"
        ))
    };
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let (service, method) = text.split_once('/').ok_or_else(invalid)?;
    let names = service.split('.').chain([method]);
    if names.clone().any(|name| name.is_empty() || !name.bytes().all(is_word)) {
        return Err(invalid());
    }
    format!("/{text}").parse()
}
