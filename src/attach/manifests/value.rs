//! What is typed by itself: names, labels, times and paths, so that nothing else can get into a manifest.
//!
//! Errors say what a value must be, and stand behind the flag that it was given to.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

/// Envoy asks a second time after this long at the soonest, and takes no bound below it.
const MIN_WAIT: Duration = Duration::from_millis(5);
/// Envoy Gateway reads at most five digits.
const MAX_WAIT: Duration = Duration::from_mins(1);
/// What the kernel has room for in the address of a socket.
const MAX_SOCKET_PATH: usize = 107;

macro_rules! text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// Its text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text! {
    /// A name of Kubernetes without dots, as namespaces and Services have.
    Name
}
text! {
    /// A name of Kubernetes that may have dots, or a host.
    Host
}
text! {
    /// A name of a host, which is not its address.
    DnsName
}
text! {
    /// An image, by a tag, a digest or both.
    Image
}
text! {
    /// The path of a Unix socket, in a folder that can be shared.
    SocketPath
}
text! {
    /// One path of requests, without patterns.
    ExactPath
}

/// A label with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    key: String,
    value: String,
}

/// A host by its name or its address. A certificate is for the one or the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// Its name.
    Name(DnsName),
    /// Its address.
    Address(IpAddr),
}

/// How much of a body is sent along, in bytes. 0: nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyBytes(pub u32);

/// How long Envoy waits, in whole milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait(Duration);

fn is_name(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

impl FromStr for Name {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_name(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(
                "a name has 1 to 63 lower-case letters, digits and hyphens, and begins and ends with a letter or a digit",
            )
        }
    }
}

impl FromStr for Host {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() <= 253 && text.split('.').all(is_name) {
            Ok(Self(text.to_owned()))
        } else {
            Err("it has names of lower-case letters, digits and hyphens, with dots between them")
        }
    }
}

impl FromStr for DnsName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_address = |host: &Host| host.0.rsplit('.').next().is_some_and(|part| part.parse::<u64>().is_ok());
        match text.parse() {
            Ok(host) if !is_address(&host) => Ok(Self(host.0)),
            _ => {
                Err("it has names of lower-case letters, digits and hyphens, with dots between them, and is no address")
            }
        }
    }
}

impl FromStr for Peer {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse() {
            return Ok(Self::Address(address));
        }
        let name = text.parse().map_err(|_| {
            "it is an address, or names of lower-case letters, digits and hyphens with dots between them, without a port"
        });
        name.map(Self::Name)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Address(address) => address.fmt(f),
        }
    }
}

impl FromStr for Image {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let good = |b: u8| b.is_ascii_alphanumeric() || b"._-/:@".contains(&b);
        let part = |part: &str| part.starts_with(|c: char| c.is_ascii_alphanumeric());
        if text.bytes().all(good) && text.split(['/', ':', '@']).all(part) {
            Ok(Self(text.to_owned()))
        } else {
            Err("an image is a repository with a tag or a digest, such as ghcr.io/tollgate-dev/tollgate:0.1.0")
        }
    }
}

impl FromStr for BodyBytes {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const ERROR: &str = "it is a number of bytes below 4GiB, such as 65536 or 64KiB, or 0 for nothing";
        let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
        let unit = units.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes)));
        let (count, unit) = unit.unwrap_or((text, 1));
        let count: u32 = count.parse().map_err(|_| ERROR)?;
        count.checked_mul(unit).map(Self).ok_or(ERROR)
    }
}

impl FromStr for SocketPath {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let part = |part: &str| {
            let good = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
            !part.is_empty() && part.bytes().all(good) && part != "." && part != ".."
        };
        let parts = text.strip_prefix('/').unwrap_or_default();
        // A folder of its own: it is mounted into both containers.
        if text.len() <= MAX_SOCKET_PATH && parts.contains('/') && parts.split('/').all(part) {
            Ok(Self(text.to_owned()))
        } else {
            Err(
                "a socket is an absolute path in a folder, such as /run/tollgate/tollgate.sock, of at most 107 letters, digits, `.`, `_` and `-`",
            )
        }
    }
}

impl SocketPath {
    /// The folder that it is in.
    pub fn folder(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

impl FromStr for ExactPath {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let good = |b: u8| b.is_ascii_alphanumeric() || b"/._~-".contains(&b);
        if text.starts_with('/') && text.bytes().all(good) && !text.contains("//") {
            Ok(Self(text.to_owned()))
        } else {
            Err(
                "a path that goes unjudged is one exact path, such as /healthz: a pattern would let more pass than was thought of",
            )
        }
    }
}

impl FromStr for Label {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = |text: &str| {
            let good = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
            let ends = |text: &str| text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
            let reversed: String = text.chars().rev().collect();
            text.len() <= 63 && text.bytes().all(good) && ends(text) && ends(&reversed)
        };
        let (key, value) = text.split_once('=').ok_or("a label is key=value")?;
        let (prefix, name) = key.split_once('/').unwrap_or(("x", key));
        if prefix.parse::<Host>().is_ok() && word(name) && (value.is_empty() || word(value)) {
            Ok(Self { key: key.to_owned(), value: value.to_owned() })
        } else {
            Err(
                "a label is key=value, of letters, digits, `.`, `_` and `-`; the key may have a host and a `/` before it",
            )
        }
    }
}

impl Label {
    /// Its key and its value.
    pub fn into_pair(self) -> (String, String) {
        (self.key, self.value)
    }
}

impl FromStr for Wait {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let time = humantime::parse_duration(text).map_err(|_| "a time has a unit, such as 250ms")?;
        if time < MIN_WAIT || time > MAX_WAIT || !time.subsec_nanos().is_multiple_of(1_000_000) {
            return Err("it is 5ms to 60s, in whole milliseconds: without an end, who asks would hang with Tollgate");
        }
        Ok(Self(time))
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0.as_millis())
    }
}

impl Wait {
    /// Its time.
    pub fn time(self) -> Duration {
        self.0
    }

    /// As Envoy writes it, without the unit: `0.25`.
    pub fn seconds(self) -> String {
        self.0.as_secs_f64().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T: FromStr>(good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(text.parse::<T>().is_ok(), "{text:?} is refused");
        }
        for text in bad {
            assert!(text.parse::<T>().is_err(), "{text:?} is taken");
        }
    }

    #[test]
    fn nothing_but_a_value_gets_into_a_manifest() {
        let injected = "a\nkind: Secret";
        let long = "a".repeat(64);
        check::<Name>(&["a", "a-1", "1"], &["", "-a", "a-", "A", "a.b", "a_b", injected, &long]);
        check::<Host>(&["a", "a.b-c.d", "127.0.0.1"], &["", ".a", "a.", "a..b", "a:1", "*.a", injected]);
        check::<DnsName>(&["a", "a.b-c.d", "1.a"], &["", "127.0.0.1", "a.1", "::1", "*.a", injected]);
        check::<Peer>(&["a.b", "127.0.0.1", "::1", "[::1]"], &["", "a:1", "127.0.0.1:9000", "1.2.3.400", injected]);
        let digest = format!("r.example:5000/a/b_c:1.0@sha256:{}", "0".repeat(64));
        check::<Image>(&["a", "a/b:1", &digest], &["", ":1", "a:", "a:@b", "a//b", "a b", "-a", injected]);
        check::<Label>(
            &["a=b", "a.b/c_d=E.f", "a="],
            &["a", "=b", "/a=b", "a/=b", "a=b,c=d", "a=-b", "a=b\n", injected],
        );
        check::<SocketPath>(
            &["/run/t/t.sock", "/a/b"],
            &[
                "",
                "run/t",
                "/t.sock",
                "/run/../t.sock",
                "/run//t",
                "/run/t/",
                "/run/t t",
                &format!("/{}", "a/".repeat(60)),
            ],
        );
        check::<ExactPath>(
            &["/", "/healthz", "/a/b.c"],
            &["", "healthz", "/a*", "/a?b", "/a//b", "/%2f", "/a#b", injected],
        );
    }

    #[test]
    fn a_wait_has_an_end_and_is_written_for_each_reader() {
        check::<Wait>(&["5ms", "60s", "1m"], &["0s", "4ms", "61s", "1us", "1500us", "250", "", "-1s"]);
        for (text, milliseconds, seconds) in
            [("250ms", "250ms", "0.25"), ("1s", "1000ms", "1"), ("1s 50ms", "1050ms", "1.05")]
        {
            let wait: Wait = text.parse().unwrap();
            assert_eq!((wait.to_string().as_str(), wait.seconds().as_str()), (milliseconds, seconds));
        }
    }

    #[test]
    fn bytes_of_a_body_have_a_unit_or_none() {
        check::<BodyBytes>(
            &["0", "65536", "64KiB", "3GiB"],
            &["", "-1", "64K", "64 KiB", "4GiB", "4294967296", "1.5MiB"],
        );
        assert_eq!("64KiB".parse(), Ok(BodyBytes(65536)));
    }

    #[test]
    fn a_socket_has_a_folder() {
        let socket: SocketPath = "/run/tollgate/tollgate.sock".parse().unwrap();
        assert_eq!(socket.folder(), "/run/tollgate");
    }
}
