//! From text to what was written: the parser's tree, without what conditions do not have.
//!
//! The only place that knows the CEL library, and only its parser. Numbers are read from the text again, because the parser
//! makes floats of decimals. What comes out has bounded nodes and knows where in the text each part stands.

use std::ops::Range;

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, SourceInfo, operators};
use cel::parser::{ParseErrors, Parser};
use rust_decimal::Decimal;

use super::Fault;
use crate::terms::parse_decimal;

/// As many names, literals and operators as one condition may have. Evaluation visits each once.
pub(super) const MAX_NODES: usize = 64;
/// The parser counts brackets; `scan` has bounded them before.
const MAX_RECURSION: u16 = 32;
/// One error is reported, so there is nothing to recover for.
const MAX_RECOVERIES: u32 = 1;

/// A part of the text.
#[derive(Debug)]
pub(super) struct Syntax {
    pub(super) range: Range<usize>,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// `caller.roles`
    Path(String),
    /// `request.headers['x-region']`
    Header(String),
    Literal(Literal),
    List(Vec<Syntax>),
    Not(Box<Syntax>),
    Binary(Binary, Box<[Syntax; 2]>),
    /// `duration('5m')`
    Function(String, Vec<Syntax>),
    /// `purpose.startsWith('essential')`
    Method(Box<Syntax>, String, Vec<Syntax>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Literal {
    Text(String),
    Integer(i64),
    Decimal(Decimal),
    Boolean(bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binary {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
    In,
    And,
    Or,
}

/// Parses a text that `scan` let through.
pub(super) fn parse(text: &str) -> Result<Syntax, Vec<Fault>> {
    let parser = Parser::new().max_recursion_depth(MAX_RECURSION).error_recovery_limit(MAX_RECOVERIES);
    let (expr, source) = parser.parse_with_source_info(text).map_err(|errors| vec![syntax_error(text, &errors)])?;
    Reader { text, source, nodes: 0 }.read(&expr).map_err(|fault| vec![fault])
}

/// The first error: what follows it follows from it. The parser's own words list its tokens and help nobody.
fn syntax_error(text: &str, errors: &ParseErrors) -> Fault {
    let (line, column) = errors.errors.first().map_or((1, 1), |error| error.pos);
    let line = usize::try_from(line).unwrap_or(1).saturating_sub(1);
    let column = usize::try_from(column).unwrap_or(1).saturating_sub(1);
    let before: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = text.get(before..).unwrap_or_default();
    let start = before + rest.char_indices().nth(column).map_or(rest.trim_end().len(), |(at, _)| at);
    let end = start + text.get(start..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    if errors.errors.first().is_some_and(|error| error.msg.starts_with("invalid int")) {
        return Fault::new(&(start..end), "the number that begins here is beyond 64 bits");
    }
    if start >= text.trim_end().len() {
        return Fault::new(&(start..end), "the condition ends too early").help("something is missing behind its end");
    }
    Fault::new(&(start..end), "the condition cannot be read from here on")
        .help("conditions are comparisons such as `caller.channel == 'voice'`, joined by `&&`, `||` and `!`")
}

struct Reader<'t> {
    text: &'t str,
    source: SourceInfo,
    nodes: usize,
}

impl Reader<'_> {
    fn read(&mut self, expr: &IdedExpr) -> Result<Syntax, Fault> {
        let token = self.token(expr);
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            let fault = Fault::new(&(0..self.text.len()), format!("the condition has more than {MAX_NODES} parts"));
            return Err(fault.help("split it into several rules"));
        }
        match &expr.expr {
            Expr::Ident(name) => Ok(Syntax { range: token, kind: Kind::Path(name.clone()) }),
            Expr::Select(select) if !select.test => self.select(&select.operand, &select.field, &token),
            Expr::Literal(literal) => self.literal(literal, token),
            Expr::List(list) => {
                let kind = Kind::List(self.read_all(&list.elements)?);
                Ok(Syntax { range: self.closed(token), kind })
            }
            Expr::Call(call) => self.call(call, token),
            _ => Err(Fault::new(&token, "this is not part of conditions")),
        }
    }

    fn read_all(&mut self, all: &[IdedExpr]) -> Result<Vec<Syntax>, Fault> {
        all.iter().map(|one| self.read(one)).collect()
    }

    /// The token that the parser remembers for a part, in bytes: of a comparison its operator, of a call its bracket.
    fn token(&self, expr: &IdedExpr) -> Range<usize> {
        let (start, last) = self.source.offset_for(expr.id).unwrap_or_default();
        let start = usize::try_from(start).unwrap_or(0);
        let end = usize::try_from(last).map_or(start, |last| last + 1);
        if self.text.get(start..end).is_some() { start..end } else { 0..self.text.len() }
    }

    /// From a bracket to the one that closes it.
    fn closed(&self, open: Range<usize>) -> Range<usize> {
        let (mut depth, mut quote, mut escaped) = (0_usize, None, false);
        for (at, c) in self.text.char_indices().skip_while(|(at, _)| *at < open.start) {
            match (quote, c) {
                (Some(_), _) if escaped => escaped = false,
                (Some(_), '\\') => escaped = true,
                (Some(open), c) if open == c => quote = None,
                (None, '\'' | '"') => quote = Some(c),
                (None, '(' | '[') => depth += 1,
                (None, ')' | ']') => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return open.start..at + c.len_utf8();
            }
        }
        open
    }

    /// `a.b`: a name where `a` is one. The parser remembers the dot.
    fn select(&mut self, operand: &IdedExpr, field: &str, dot: &Range<usize>) -> Result<Syntax, Fault> {
        // One name is one node, whatever its dots.
        self.nodes = self.nodes.saturating_sub(1);
        let operand = self.read(operand)?;
        let behind = self.text.get(dot.end..).and_then(|rest| rest.find(field)).map_or(dot.end, |at| dot.end + at);
        let range = operand.range.start..behind + field.len();
        match operand.kind {
            Kind::Path(path) => Ok(Syntax { range, kind: Kind::Path(format!("{path}.{field}")) }),
            _ => Err(Fault::new(&range, format!("`.{field}` is not part of conditions"))
                .help("only names have dots, such as `caller.channel`")),
        }
    }

    fn literal(&self, literal: &LiteralValue, token: Range<usize>) -> Result<Syntax, Fault> {
        let digits = self.text.get(token.clone()).unwrap_or_default();
        let (range, literal) = match literal {
            LiteralValue::String(text) => (token, Literal::Text(text.inner().to_owned())),
            LiteralValue::Boolean(is) => (token, Literal::Boolean(*is.inner())),
            LiteralValue::Int(number) if number.inner().unsigned_abs().to_string() == digits => {
                (self.signed(token), Literal::Integer(*number.inner()))
            }
            LiteralValue::Double(number) => {
                let sign = if number.inner().is_sign_negative() { "-" } else { "" };
                let range = self.signed(token);
                let decimal = parse_decimal(&format!("{sign}{digits}"));
                let decimal = decimal.map_err(|error| Fault::new(&range, format!("`{digits}` is {error}")))?;
                (range, Literal::Decimal(decimal))
            }
            LiteralValue::Null => {
                return Err(Fault::new(&token, "conditions have no `null`")
                    .help("a name that is not known makes the whole condition unknown: leave the test out"));
            }
            _ => {
                let fault = Fault::new(&token, format!("`{digits}` is not a number written plainly"));
                return Err(fault.help("such as `20` or `200.00`"));
            }
        };
        Ok(Syntax { range, kind: Kind::Literal(literal) })
    }

    /// A number's token with the sign before it.
    fn signed(&self, token: Range<usize>) -> Range<usize> {
        let signed = self.text.get(..token.start).is_some_and(|before| before.ends_with('-'));
        token.start - usize::from(signed)..token.end
    }

    fn call(&mut self, call: &CallExpr, token: Range<usize>) -> Result<Syntax, Fault> {
        if let Some(on) = &call.target {
            let on = self.read(on)?;
            let args = self.read_all(&call.args)?;
            let range = on.range.start..self.closed(token).end;
            return Ok(Syntax { range, kind: Kind::Method(Box::new(on), call.func_name.clone(), args) });
        }
        match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::LOGICAL_NOT, [one]) => {
                let one = self.read(one)?;
                Ok(Syntax { range: token.start..one.range.end, kind: Kind::Not(Box::new(one)) })
            }
            (operators::INDEX, [of, by]) => self.index(of, by, token),
            (operators::NEGATE | operators::SUBSTRACT, _) => {
                Err(Fault::new(&token, "conditions do not calculate").help("compare values as they are"))
            }
            (name, [left, right]) if binary(name).is_some() => {
                let (left, right) = (self.read(left)?, self.read(right)?);
                let range = left.range.start..right.range.end;
                let how = binary(name).unwrap_or(Binary::And);
                Ok(Syntax { range, kind: Kind::Binary(how, Box::new([left, right])) })
            }
            (name, args) => {
                let before = self.text.get(..token.start).unwrap_or_default().trim_end();
                let start = before.strip_suffix(name).unwrap_or(before).len();
                let args = self.read_all(args)?;
                let range = start..self.closed(token).end;
                Ok(Syntax { range, kind: Kind::Function(name.to_owned(), args) })
            }
        }
    }

    fn index(&mut self, of: &IdedExpr, by: &IdedExpr, open: Range<usize>) -> Result<Syntax, Fault> {
        let of = self.read(of)?;
        let by = self.read(by)?;
        let range = of.range.start..self.closed(open).end;
        match (of.kind, by.kind) {
            (Kind::Path(path), Kind::Literal(Literal::Text(name))) if path == "request.headers" => {
                Ok(Syntax { range, kind: Kind::Header(name) })
            }
            _ => Err(Fault::new(&range, "only headers are looked up by name")
                .help("write `request.headers['x-region']`; `'support' in caller.roles` asks what is in a list")),
        }
    }
}

fn binary(name: &str) -> Option<Binary> {
    Some(match name {
        operators::EQUALS => Binary::Equal,
        operators::NOT_EQUALS => Binary::NotEqual,
        operators::LESS => Binary::Less,
        operators::LESS_EQUALS => Binary::AtMost,
        operators::GREATER => Binary::Greater,
        operators::GREATER_EQUALS => Binary::AtLeast,
        operators::IN => Binary::In,
        operators::LOGICAL_AND => Binary::And,
        operators::LOGICAL_OR => Binary::Or,
        _ => return None,
    })
}
