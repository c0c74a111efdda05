//! Conditions that are refused, each with the place, the message and the hint that its author sees.

use super::world::compile;
use crate::contract::condition::{Condition, Scope};

/// `at` is the part of the text that is wrong.
#[track_caller]
fn check(text: &str, at: &str, message: &str, help: &str) {
    let faults = compile(text).expect_err(text);
    let [fault] = faults.as_slice() else { panic!("{text}: {faults:?}") };
    assert!(fault.message.contains(message), "{text}: {fault:?}");
    assert!(fault.help.as_deref().unwrap_or_default().contains(help), "{text}: {fault:?}");
    assert_eq!(text.get(fault.range.clone()), Some(at), "{text}: {fault:?}");
}

#[test]
fn names_that_are_not_known() {
    check("caller.chanel == 'voice'", "caller.chanel", "`caller.chanel` is not a name", "`caller.channel`");
    check("channel.x.y.z == 'voice'", "channel.x.y.z", "is not a name", "names begin with");
    check("inputs.amont > money('1 EUR')", "inputs.amont", "no input `amont`", "`inputs.amount`");
    check("request.headers['X-Region'] == 'eu'", "request.headers['X-Region']", "no header `X-Region`", "`x-region`");
    check("request.headers == 'eu'", "request.headers", "no value by itself", "request.headers['x-region']");
    check(".purpose == 'essential'", "purpose", "`.purpose` is not a name", "`purpose`");
    check("caller.channel == voice", "voice", "`voice` is not a name", "quotes");
}

#[test]
fn a_subject_that_the_action_does_not_name() {
    let faults = Condition::compile("subject == 'a'", &Scope::default()).unwrap_err();
    assert_eq!((faults.len(), faults[0].range.clone()), (1, 0..7));
}

#[test]
fn types_that_differ() {
    check("inputs.amount > 200", "200", "`inputs.amount` is money, and this is a number", "money('200.00 EUR')");
    check("inputs.count == '3'", "'3'", "is a number, and this is text", "200.00");
    check("caller.authAge < '5m'", "'5m'", "is a duration, and this is text", "duration('5m')");
    check("now < duration('5m')", "duration('5m')", "is a timestamp, and this is a duration", "timestamp(");
    check("inputs.gift == 'yes'", "'yes'", "true or false", "true");
    check("inputs.amount < inputs.count", "inputs.amount < inputs.count", "and `inputs.count` is a number", "money(");
    check("caller.channel > 'a'", "caller.channel > 'a'", "which has no order", "`in`");
    check("caller.roles == 'a'", "caller.roles == 'a'", "is a list", "in caller.roles");
    check("caller.roles.contains('a')", "caller.roles.contains('a')", "is for text", "'support' in caller.roles");
    check("tier.startsWith('i')", "tier.startsWith('i')", "is a tier", "tier == 'impact'");
    check("caller.channel", "caller.channel", "neither holds nor does not", "compare it");
    check("1 in caller.roles", "1", "this is no text", "'support' in caller.roles");
    check("caller.user in caller.channel", "caller.channel", "`in` needs a list", "");
    check("caller.channel in ['a', 1]", "1", "and this is a number", "");
    check("inputs.amount in [1]", "inputs.amount in [1]", "lists hold texts or numbers", "==");
}

#[test]
fn words_that_are_none() {
    check("tier >= 'inpact'", "'inpact'", "`inpact` is not a tier", "`impact`");
    check("tier == 'Q'", "'Q'", "`Q` is not a tier", "");
    check("caller.automation == 'humans'", "'humans'", "not a word for who acts", "`human`");
    check("purpose == 'Essential'", "'Essential'", "not a purpose", "");
    check("action in ['order.read', 'order']", "'order'", "not an action", "");
    check("request.host == 'API.shop'", "'API.shop'", "lower case", "`api.shop`");
    check("inputs.amount > money('200')", "'200'", "is not money", "money('200.00 EUR')");
    check("caller.authAge < duration('5M')", "'5M'", "is not a duration", "");
    check("now < timestamp('tomorrow')", "'tomorrow'", "is not a timestamp", "timestamp('2026");
    check("inputs.amount > cash('1 EUR')", "cash('1 EUR')", "not a function", "`duration`, `money`");
    check("inputs.amount > money(1)", "money(1)", "takes one text", "money('200.00 EUR')");
    check("purpose.startWith('a')", "purpose.startWith('a')", "`startWith` is not", "`startsWith`");
    check("purpose.startsWith('')", "purpose.startsWith('')", "not empty", "");
    check("purpose.matches('a.*')", "purpose.matches('a.*')", "`matches` is not part", "`contains`");
}

#[test]
fn what_says_always_or_never() {
    for text in ["true", "'a'", "1", "1 == 1", "'a' in ['a']", "money('1 EUR') > money('2 EUR')", "'ab'.contains('a')"]
    {
        let faults = compile(text).unwrap_err();
        assert!(faults[0].message.contains("always or never"), "{text}: {faults:?}");
    }
    check("caller.channel == 'voice' || true", "true", "always or never", "");
    check("caller.channel in []", "[]", "empty", "");
    check("caller.channel in ['a', 'a']", "'a'", "twice", "");
    check("caller.user == caller.user", "caller.user == caller.user", "with itself", "");
}

#[test]
fn what_cel_has_and_conditions_do_not() {
    check("inputs.count + 1 > 2", "+", "do not calculate", "");
    check("inputs.count - 1 > 2", "-", "do not calculate", "");
    check("inputs.count -1 > 2", "-", "do not calculate", "");
    check("inputs.gift ? inputs.gift : inputs.gift", "?", "no choice", "`&&`");
    check("has(inputs.gift)", "has", "`has` is not part", "unknown");
    check("caller.roles.exists(r, r == 'a')", "exists", "`exists` is not part", "in caller.roles");
    check("caller.roles[0] == 'a'", "caller.roles[0]", "only headers", "request.headers['x-region']");
    check("caller.channel in {'a': 1}", "{", "no maps", "");
    check("caller.channel == null", "null", "no `null`", "unknown");
    check("caller.channel == r'a'", "r", "with `r` before its quotes", "");
    check("caller.channel == '''a'''", "'''", "side by side", "");
    check("inputs.gift // why", "/", "no comments", "YAML");
    check("inputs.count == 0x10", "0x10", "written plainly", "");
    check("inputs.count == 010", "010", "written plainly", "");
    check("inputs.rate == 1e3", "1e3", "not a plain decimal", "");
    check("inputs.rate == 0.12345678901234567890123456789012", "0.12345678901234567890123456789012", "exactly", "");
    check("inputs.count == 9223372036854775808", "9", "beyond 64 bits", "");
    check("inputs.count == 3u", "3u", "written plainly", "");
    check("caller.user = 'a'", "=", "sets nothing", "`==`");
    check("inputs.gift & inputs.gift", "&", "not an operator", "`&&`");
    check("(inputs.gift == inputs.gift) == true", "inputs.gift == inputs.gift", "tests are not compared", "`&&`");
    check("caller.user == 'a", "'a", "not closed", "");
    check("(inputs.gift", "(", "not closed", "");
    check("inputs.gift)", ")", "closes nothing", "");
    check("inputs.gift ==\n  == 1", "=", "cannot be read from here", "comparisons");
    check("inputs.note == 'é' 'a'", "'", "cannot be read from here", "comparisons");
    check("inputs.gift &&", "", "ends too early", "");
    check("inputs.gift inputs.gift", "i", "cannot be read from here", "comparisons");
    check("caller.channel == ‘voice’", "‘", "outside of quotes", "ASCII");
    check("  ", "  ", "empty", "caller.channel");
}

#[test]
fn faults_on_both_sides_are_told_together() {
    let faults = compile("tier == 'high' && caller.chanel == 'voice'").unwrap_err();
    assert_eq!(faults.len(), 2, "{faults:?}");
}

#[test]
fn what_is_too_long_too_deep_or_too_much() {
    let says = |text: &str, message: &str| {
        let faults = compile(text).unwrap_err();
        assert!(faults[0].message.contains(message), "{faults:?}");
    };
    let deep = |depth: usize| format!("{}inputs.gift{}", "(".repeat(depth), ")".repeat(depth));
    assert!(compile(&deep(16)).is_ok());
    says(&deep(17), "more than 16 deep");
    let wide = |count: usize| vec!["inputs.gift"; count].join("||");
    assert!(compile(&wide(32)).is_ok());
    says(&wide(33), "more than 64 parts");
    says(&wide(100), "the condition has 1298 bytes");
    says(&"!".repeat(1000), "too many parts");
    let long = format!("caller.user == '{}'", "x".repeat(1007));
    assert_eq!(long.len(), 1024);
    assert!(compile(&long).is_ok());
    says(&format!("{long} "), "1025 bytes");
}
