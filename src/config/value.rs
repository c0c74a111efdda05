//! From text to values: what may stand in a setting.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::ext_authz::{AnswerMetadata, ErrorAnswer, HeaderRemoval};
use crate::secret::Secret;
use crate::sources::certificates::AllowedName;
use crate::transport::Listen;

/// Something that a setting can be.
pub(super) trait Value: Sized {
    /// Whether it may be given several times.
    const MANY: bool = false;
    /// Whether it is shown.
    const DISCLOSED: Disclosed = Disclosed::Shown;

    /// Reads it from what was given: no text where nothing was.
    fn read(texts: &[String]) -> Result<Self, String>;
}

/// Whether a value is shown to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disclosed {
    /// It is shown.
    Shown,
    /// It is a secret: only that there is one is shown.
    Masked,
}

/// One value of one text.
trait One: Sized {
    fn read(text: &str) -> Result<Self, String>;
}

/// A number of bytes: `65536`, `64KiB`, `16MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bytes(pub(super) usize);

/// Permissions, in octal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mode(pub(super) u32);

/// A value, or `off`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Off<T>(pub(super) Option<T>);

/// Headers with their values, which are secret.
#[derive(Debug, Clone, Default)]
pub(super) struct Headers(pub(super) Vec<(String, Secret<String>)>);

impl<T: One> Value for T {
    fn read(texts: &[String]) -> Result<Self, String> {
        match texts {
            [] => Err("must be set".to_owned()),
            [text] => T::read(text),
            _ => Err("is one value, and not several".to_owned()),
        }
    }
}

impl<T: One> Value for Option<T> {
    fn read(texts: &[String]) -> Result<Self, String> {
        if texts.is_empty() { Ok(None) } else { <T as Value>::read(texts).map(Some) }
    }
}

impl<T: One> Value for Vec<T> {
    const MANY: bool = true;

    fn read(texts: &[String]) -> Result<Self, String> {
        texts.iter().flat_map(|text| text.split(',')).map(|text| T::read(text.trim())).collect()
    }
}

impl Value for Headers {
    const MANY: bool = true;
    const DISCLOSED: Disclosed = Disclosed::Masked;

    fn read(texts: &[String]) -> Result<Self, String> {
        let read = |text: &String| {
            let (name, value) = text.split_once('=').ok_or("is written as `name=value`")?;
            let is_good = http::HeaderName::from_str(name).is_ok() && http::HeaderValue::from_str(value).is_ok();
            // The value is not repeated: it is a secret.
            let read = is_good.then(|| (name.to_ascii_lowercase(), Secret::new(value.to_owned())));
            read.ok_or_else(|| format!("`{}` is no header with a value", name.escape_default()))
        };
        texts.iter().map(read).collect::<Result<_, _>>().map(Self)
    }
}

impl<T: One> One for Off<T> {
    fn read(text: &str) -> Result<Self, String> {
        if text == "off" { Ok(Self(None)) } else { T::read(text).map(|value| Self(Some(value))) }
    }
}

impl One for Bytes {
    fn read(text: &str) -> Result<Self, String> {
        let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
        let unit = units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)));
        let (digits, factor) = unit.unwrap_or((text, 1));
        let number = digits.parse::<usize>().map(|number| number.checked_mul(factor));
        match number {
            Ok(Some(bytes)) => Ok(Self(bytes)),
            _ => Err(format!("`{text}` is no number of bytes, such as `65536`, `64KiB` or `16MiB`")),
        }
    }
}

impl One for Mode {
    fn read(text: &str) -> Result<Self, String> {
        match u32::from_str_radix(text, 8) {
            Ok(mode) if mode <= 0o777 => Ok(Self(mode)),
            _ => Err(format!("`{text}` is no mode in octal, such as `0660`")),
        }
    }
}

impl One for Duration {
    fn read(text: &str) -> Result<Self, String> {
        humantime::parse_duration(text).map_err(|_| format!("`{text}` is no time, such as `150ms`, `10s` or `5m`"))
    }
}

impl One for PathBuf {
    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("is empty".to_owned()) } else { Ok(text.into()) }
    }
}

impl One for String {
    fn read(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl One for SocketAddr {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("`{text}` is no `IP:PORT`"))
    }
}

/// A number within the bounds of its type.
macro_rules! number {
    ($($type:ty, $what:literal;)+) => {
        $(impl One for $type {
            fn read(text: &str) -> Result<Self, String> {
                text.parse().map_err(|_| format!(concat!("`{}` is no ", $what), text))
            }
        })+
    };
}

number! {
    usize, "whole number";
    u32, "whole number";
    f64, "number";
}

/// What knows itself how it is written.
macro_rules! spelled {
    ($($type:ty),+) => {
        $(impl One for $type {
            fn read(text: &str) -> Result<Self, String> {
                text.parse().map_err(|error: <Self as FromStr>::Err| error.to_string())
            }
        })+
    };
}

spelled!(Listen, AllowedName, ErrorAnswer, AnswerMetadata, HeaderRemoval);

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: Value>(texts: &[&str]) -> Result<T, String> {
        let texts: Vec<_> = texts.iter().map(|text| (*text).to_owned()).collect();
        <T as Value>::read(&texts)
    }

    #[test]
    fn values_are_read_as_they_are_written() {
        assert_eq!(read(&["16MiB"]), Ok(Bytes(16 << 20)));
        assert_eq!(read(&["65536"]), Ok(Bytes(65536)));
        assert_eq!(read(&["0660"]), Ok(Mode(0o660)));
        assert_eq!(read(&["off"]), Ok(Off::<PathBuf>(None)));
        assert_eq!(read::<Option<u32>>(&[]), Ok(None));
        assert_eq!(read(&["1.2.3.4:5, 1.2.3.4:6", "1.2.3.4:7"]).map(|all: Vec<Listen>| all.len()), Ok(3));
        let headers: Headers = read(&["Authorization=Bearer a=b"]).unwrap();
        assert_eq!((headers.0[0].0.as_str(), headers.0[0].1.expose().as_str()), ("authorization", "Bearer a=b"));
    }

    #[test]
    fn what_is_wrong_is_said_and_a_secret_is_not() {
        let bytes = |text| read::<Bytes>(&[text]).unwrap_err();
        for bad in ["16MB", "-1", "99999999999999999999", "17179869184GiB"] {
            assert_eq!(bytes(bad), format!("`{bad}` is no number of bytes, such as `65536`, `64KiB` or `16MiB`"));
        }
        assert!(read::<Mode>(&["0888"]).is_err() && read::<Mode>(&["1777"]).is_err());
        assert_eq!(read::<PathBuf>(&[]), Err("must be set".to_owned()));
        assert_eq!(read::<PathBuf>(&["a", "b"]), Err("is one value, and not several".to_owned()));
        for bad in ["hunter2", "a b=hunter2", "a=hunter2\n"] {
            let said = read::<Headers>(&[bad]).unwrap_err();
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
}
