//! What is looked at before a text reaches the parser: its length, its brackets, its characters.
//!
//! The parser is a generated one that recurses, so depth is bounded here; and what can be told by a character alone
//! (arithmetic, maps, comments, the many spellings of strings) is refused here, with a message that knows what was meant.
//! Strings are found as CEL finds them, because every spelling that would be found differently is refused.

use std::iter::Peekable;
use std::ops::Range;
use std::str::CharIndices;

use super::Fault;

/// A screen full; what is longer is better said as two grants.
const MAX_BYTES: usize = 1024;
/// Deeper than anybody can read, and far below what the parser's stack takes.
const MAX_DEPTH: usize = 16;
/// The parser nests `a.b.c` and `a < b < c` by one level for each part. 64 nodes never need as many.
const MAX_TOKENS: usize = 320;
/// The macros of CEL, by name; the parser would expand them.
const MACROS: [&str; 6] = ["has", "all", "exists", "exists_one", "map", "filter"];

/// Refuses what must not reach the parser.
pub(super) fn check(text: &str) -> Result<(), Vec<Fault>> {
    let whole = 0..text.len();
    if text.len() > MAX_BYTES {
        let fault = Fault::new(&whole, format!("the condition has {} bytes, and {MAX_BYTES} is the most", text.len()));
        return Err(vec![fault.help("split it into several rules")]);
    }
    if text.trim().is_empty() {
        return Err(vec![Fault::new(&whole, "the condition is empty").help("such as `caller.channel == 'voice'`")]);
    }
    let mut scan = Scan { text, chars: text.char_indices().peekable(), open: Vec::new(), tokens: 0 };
    scan.run().map_err(|fault| vec![fault])
}

struct Scan<'t> {
    text: &'t str,
    chars: Peekable<CharIndices<'t>>,
    open: Vec<(char, usize)>,
    tokens: usize,
}

impl Scan<'_> {
    fn run(&mut self) -> Result<(), Fault> {
        while let Some((at, c)) = self.chars.next() {
            let one = at..at + c.len_utf8();
            self.tokens += usize::from(!c.is_ascii_whitespace());
            match c {
                ' ' | '\t' | '\n' | '\r' | '.' | ',' => {}
                '\'' | '"' => self.string(at, c)?,
                '(' | '[' => self.opens(c, &one)?,
                ')' | ']' => self.closes(c, &one)?,
                '=' | '!' | '<' | '>' => self.operator(c, &one)?,
                '&' | '|' => self.logic(c, &one)?,
                '-' if self.chars.peek().is_some_and(|(_, next)| next.is_ascii_digit()) => {}
                c if c.is_ascii_alphanumeric() || c == '_' => self.word(at, c)?,
                c => return Err(refused(c, &one)),
            }
            if self.tokens > MAX_TOKENS {
                let fault = Fault::new(&(0..self.text.len()), "the condition has too many parts");
                return Err(fault.help("split it into several rules"));
            }
        }
        match self.open.pop() {
            None => Ok(()),
            Some((c, at)) => Err(Fault::new(&(at..at + 1), format!("this `{c}` is not closed"))),
        }
    }

    /// `'…'` or `"…"` on one line. CEL's `'''…'''` and `r'…'` would end elsewhere.
    fn string(&mut self, start: usize, quote: char) -> Result<(), Fault> {
        while let Some((at, c)) = self.chars.next() {
            if c == quote {
                return match self.chars.peek() {
                    Some((next, '\'' | '"')) => Err(Fault::new(&(start..next + 1), "two quotes stand side by side")
                        .help("write text in one pair of quotes: `'voice'`")),
                    _ => Ok(()),
                };
            }
            if c.is_control() {
                return Err(Fault::new(&(at..at + c.len_utf8()), "there is a control character in the text"));
            }
            if c == '\\' && self.chars.next().is_none() {
                break;
            }
        }
        let fault = Fault::new(&(start..self.text.len()), "this text is not closed");
        Err(fault.help(format!("end it with {quote}, on the same line")))
    }

    fn opens(&mut self, c: char, one: &Range<usize>) -> Result<(), Fault> {
        self.open.push((c, one.start));
        if self.open.len() > MAX_DEPTH {
            return Err(Fault::new(one, format!("brackets stand more than {MAX_DEPTH} deep in each other")));
        }
        Ok(())
    }

    fn closes(&mut self, c: char, one: &Range<usize>) -> Result<(), Fault> {
        let expected = if c == ')' { '(' } else { '[' };
        match self.open.pop() {
            Some((open, _)) if open == expected => Ok(()),
            _ => Err(Fault::new(one, format!("this `{c}` closes nothing"))),
        }
    }

    fn operator(&mut self, c: char, one: &Range<usize>) -> Result<(), Fault> {
        let followed = self.chars.next_if(|(_, next)| *next == '=').is_some();
        if c == '=' && !followed {
            return Err(Fault::new(one, "`=` sets nothing here").help("write `==`"));
        }
        Ok(())
    }

    fn logic(&mut self, c: char, one: &Range<usize>) -> Result<(), Fault> {
        if self.chars.next_if(|(_, next)| *next == c).is_some() {
            return Ok(());
        }
        Err(Fault::new(one, format!("`{c}` is not an operator of conditions")).help(format!("write `{c}{c}`")))
    }

    fn word(&mut self, start: usize, first: char) -> Result<(), Fault> {
        let mut end = start + first.len_utf8();
        let numeric = first.is_ascii_digit();
        while let Some((at, c)) = self.chars.next_if(|(_, c)| {
            // A number's dot belongs to it, so that `200.00` is one word.
            c.is_ascii_alphanumeric() || *c == '_' || (numeric && *c == '.')
        }) {
            end = at + c.len_utf8();
        }
        let range = start..end;
        let word = self.text.get(range.clone()).unwrap_or_default();
        let next = self.chars.peek().map(|(_, c)| *c);
        match next {
            Some('\'' | '"') if !numeric && word != "in" => {
                let fault = Fault::new(&range, format!("text cannot be written with `{word}` before its quotes"));
                Err(fault.help("write plain text: `'voice'`"))
            }
            Some('(') if MACROS.contains(&word) => {
                let fault = Fault::new(&range, format!("`{word}` is not part of conditions"));
                Err(fault.help(match word {
                    "has" => "a name that is not known makes the whole condition unknown: leave the test out",
                    _ => "lists are only asked what is in them: `'support' in caller.roles`",
                }))
            }
            Some(c) if !c.is_ascii() => Err(refused(c, &range)),
            _ => Ok(()),
        }
    }
}

fn refused(c: char, range: &Range<usize>) -> Fault {
    let (message, help) = match c {
        '+' | '-' | '*' | '%' => ("conditions do not calculate", "compare values as they are"),
        '/' => ("conditions do not calculate, and have no comments", "put comments into the YAML, behind `#`"),
        '?' | ':' => ("conditions have no choice `a ? b : c`", "write it with `&&`, `||` and `!`"),
        '{' | '}' => ("conditions have no maps", "compare one name after the other"),
        _ => {
            let fault = Fault::new(range, format!("{c:?} cannot stand in a condition outside of quotes"));
            return fault.help("names, numbers and operators are plain ASCII; text stands in quotes");
        }
    };
    Fault::new(range, message).help(help)
}
