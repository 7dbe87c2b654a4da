//! The versions of FIX that a session can be in.

use super::dictionary::Dictionary;

/// A version of FIX: what a Logon's BeginString(8) says, for FIXT.1.1 together with DefaultApplVerID(1137).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Version {
    /// FIX.4.2.
    Fix42 = 2,
    /// FIX.4.4.
    #[default]
    Fix44 = 4,
    /// FIX 5.0 SP2 over FIXT.1.1.
    Fix50Sp2 = 5,
}

/// DefaultApplVerID(1137) and ApplVerID(1128) of FIX 5.0 SP2.
pub const APPL_VER_ID: &[u8] = b"9";

impl Version {
    /// All of them, the oldest first.
    pub const ALL: [Version; 3] = [Version::Fix42, Version::Fix44, Version::Fix50Sp2];

    /// BeginString(8) of every message.
    #[must_use]
    #[inline]
    pub const fn begin_string(self) -> &'static str {
        match self {
            Version::Fix42 => "FIX.4.2",
            Version::Fix44 => "FIX.4.4",
            Version::Fix50Sp2 => "FIXT.1.1",
        }
    }

    /// The version whose messages begin with this BeginString(8).
    #[must_use]
    pub fn of_begin_string(begin_string: &[u8]) -> Option<Version> {
        Version::ALL.into_iter().find(|it| it.begin_string().as_bytes() == begin_string)
    }

    /// The number that stands for it in journals and snapshots.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The version with this [`Version::code`].
    #[must_use]
    pub fn of_code(code: u8) -> Option<Version> {
        Version::ALL.into_iter().find(|version| version.code() == code)
    }

    /// Its messages.
    #[must_use]
    #[inline]
    pub fn dictionary(self) -> &'static Dictionary {
        Dictionary::of(self)
    }
}

/// Some versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions(u8);

impl Versions {
    /// All that there are.
    pub const ALL: Versions = Versions(0b11_0100);

    /// These.
    #[must_use]
    pub fn of(versions: &[Version]) -> Versions {
        Versions(versions.iter().fold(0, |set, version| set | 1 << version.code()))
    }

    /// Whether `version` is one of them.
    #[must_use]
    pub fn has(self, version: Version) -> bool {
        self.0 >> version.code() & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_by_its_begin_string_and_by_its_code() {
        for version in Version::ALL {
            assert_eq!(Version::of_begin_string(version.begin_string().as_bytes()), Some(version));
            assert_eq!(Version::of_code(version.code()), Some(version));
            assert!(Versions::ALL.has(version));
            let others = Version::ALL.into_iter().filter(|it| *it != version);
            let others: Vec<Version> = others.collect();
            assert!(!Versions::of(&others).has(version));
        }
        assert_eq!(Versions::of(&Version::ALL), Versions::ALL);
        for other in [&b""[..], b"FIX.4.3", b"FIX.4.44", b"fix.4.4", b"FIX.5.0SP2"] {
            assert_eq!(Version::of_begin_string(other), None);
        }
        assert_eq!(Version::of_code(3), None);
    }
}
