//! The chart's templates, rendered without Helm.
//!
//! They are Go templates, and use what Go's `text/template` has and four functions of Helm's, which are made again here. Helm
//! writes missing values as nothing; here they are errors, so that a template cannot silently lose a setting.

use gotmpl::{MissingKey, Template, TemplateError, Value, to_value};
use serde::Serialize;

macro_rules! templates {
    ($($name:ident = $file:literal;)+) => {
        $(pub(super) const $name: &str = include_str!(concat!("../../../deploy/helm/tollgate/attach/", $file));)+
    };
}

templates! {
    ENVOY = "envoy.yaml";
    ENVOY_CLUSTER = "envoy-cluster.yaml";
    ENVOY_GATEWAY = "envoy-gateway.yaml";
    ENVOY_ONLY_CLUSTER = "envoy-only-cluster.yaml";
    EXT_AUTHZ = "ext-authz.yaml";
    EXT_PROC = "ext-proc.yaml";
    ISTIO = "istio.yaml";
    ISTIO_POD = "istio-pod.yaml";
    ISTIO_PROVIDER = "istio-provider.yaml";
    SIDECAR_CONTAINER = "sidecar-container.yaml";
    SIDECAR_VOLUMES = "sidecar-volumes.yaml";
}

/// Renders a template, without blank lines around it.
pub(super) fn render(source: &str, context: &impl Serialize) -> Result<String, TemplateError> {
    let template = Template::new("attach")
        .missing_key(MissingKey::Error)
        .func("toYaml", |args| match args {
            [value] => Ok(text(yaml(value)?)),
            _ => Err(TemplateError::Exec("toYaml takes one value".to_owned())),
        })
        .func("trim", |args| match args {
            [Value::String(value)] => Ok(text(value.trim().to_owned())),
            _ => Err(TemplateError::Exec("trim takes one text".to_owned())),
        })
        .func("indent", |args| Ok(text(indented(args)?)))
        .func("nindent", |args| Ok(text(format!("\n{}", indented(args)?))))
        .parse(source)?;
    Ok(template.execute_to_string(&to_value(context)?)?.trim().to_owned())
}

fn text(text: String) -> Value {
    Value::String(text.into())
}

fn indented(args: &[Value]) -> Result<String, TemplateError> {
    let [Value::Int(width), Value::String(value)] = args else {
        return Err(TemplateError::Exec("indent takes a number and a text".to_owned()));
    };
    let pad = " ".repeat(usize::try_from(*width).unwrap_or_default());
    Ok(format!("{pad}{}", value.replace('\n', &format!("\n{pad}"))))
}

/// As Helm's, for what the templates have: words, maps of words, lists of either.
fn yaml(value: &Value) -> Result<String, TemplateError> {
    match value {
        Value::String(word) => Ok(scalar(word)),
        Value::Map(map) => {
            let mut lines = Vec::new();
            for (key, value) in map.iter() {
                let Value::String(value) = value else {
                    return Err(TemplateError::Exec(format!("toYaml does not know what to do with `{key}`")));
                };
                lines.push(format!("{}: {}", scalar(key), scalar(value)));
            }
            Ok(lines.join("\n"))
        }
        Value::List(list) => {
            let item = |value| Ok(format!("- {}", yaml(value)?.replace('\n', "\n  ")));
            Ok(list.iter().map(item).collect::<Result<Vec<_>, TemplateError>>()?.join("\n"))
        }
        _ => Err(TemplateError::Exec("toYaml takes a text, a map or a list".to_owned())),
    }
}

/// A word of YAML that is read as a text again, and by nobody as a number, a truth value or a date.
fn scalar(word: &str) -> String {
    let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "._/|:-".contains(c)) && !word.ends_with(':');
    let name = word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    // `1.2` is a number, `1.2.3` is none.
    let version = word.chars().all(|c| c.is_ascii_digit() || c == '.') && word.matches('.').count() > 1;
    let reserved = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"];
    if plain && (name || version) && !reserved.contains(&word.to_ascii_lowercase().as_str()) {
        word.to_owned()
    } else {
        // A text of JSON is one of YAML too.
        serde_json::Value::from(word).to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[track_caller]
    fn check(template: &str, expected: &str) {
        let context = BTreeMap::from([
            ("words", vec!["a", "1", "1.2", "1.2.3", "true", "No", "", "a: b", "a|1", "/x", "a:", "1e3", "é"]),
            ("one", vec!["a"]),
        ]);
        assert_eq!(render(template, &context).unwrap(), expected);
    }

    #[test]
    fn what_could_be_read_as_something_else_is_quoted() {
        let quoted = ["- a", r#"- "1""#, r#"- "1.2""#, "- 1.2.3", r#"- "true""#, r#"- "No""#, r#"- """#];
        let quoted =
            [quoted.as_slice(), &[r#"- "a: b""#, "- a|1", "- /x", r#"- "a:""#, r#"- "1e3""#, r#"- "é""#]].concat();
        check("{{ .words | toYaml }}", &quoted.join("\n"));
    }

    #[test]
    fn indents_as_helm_does() {
        check("x:{{ .words | toYaml | nindent 2 | indent 1 | trim }}", &{
            let lines = "- a\n- \"1\"\n- \"1.2\"\n- 1.2.3\n- \"true\"\n- \"No\"\n- \"\"\n- \"a: b\"\n- a|1\n- /x\n- \"a:\"\n- \"1e3\"\n- \"é\"";
            format!("x:{}", lines.replace('\n', "\n   "))
        });
        check("  {{- range .one }}\n- {{ . }}\n{{- end }}\n", "- a");
    }

    #[test]
    fn a_setting_that_is_not_there_is_an_error() {
        let error = render("{{ .gone }}", &BTreeMap::from([("there", "x")])).unwrap_err();
        assert!(error.to_string().contains("gone"), "{error}");
    }
}
