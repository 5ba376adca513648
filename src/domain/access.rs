//! Who speaks for whom: roles, and the keys by which callers are known. Knows neither how a caller shows what it has nor
//! the time.

use crate::domain::party::{Caller, Institution, InstitutionCode};
use crate::domain::verdict::named;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Digits of a division code.
const DIVISION_DIGITS_MAX: usize = 6;
/// The longest name of a chain group, in bytes.
const CHAIN_BYTES_MAX: usize = 128;

named! {
    /// What a caller is: the columns of the table of rights.
    pub enum Role {
        /// One counter of an institution: sells for it, and sees none of its cases.
        Terminal = "terminal",
        /// An institution with all its counters.
        Institution = "institution",
        /// The head office of a chain, for its members.
        Chain = "chain",
        /// Somebody at a bureau who looks.
        Reader = "reader",
        /// Somebody at a bureau who decides and loads.
        Bureau = "bureau",
        /// Whoever runs the gateway.
        Operator = "operator",
        /// Reads the audit trail, and nothing else.
        Auditor = "auditor",
    }
}

/// A caller in its role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    role: Role,
    caller: Caller,
}

/// A text that names no identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} names nobody; write 'institution CODE', 'terminal CODE', 'chain GROUP', 'bureau DIVISION', 'reader DIVISION', \
     'operator' or 'auditor'"
)]
pub struct BadIdentity(pub String);

impl Identity {
    /// The operator of the gateway.
    pub const OPERATOR: Self = Self { role: Role::Operator, caller: Caller::Operator };

    /// Reads `institution P13010200101`, `reader 1301`, `chain CHAIN-A`, `operator`. Bytes of a chain's name may be
    /// percent-encoded.
    pub fn parse(text: &str) -> Result<Self, BadIdentity> {
        let (role, name) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        Self::of(role, name.trim()).ok_or_else(|| BadIdentity(text.chars().take(40).collect()))
    }

    /// A role by its name, and whom it is for.
    pub fn of(role: &str, name: &str) -> Option<Self> {
        let role = Role::from_name(role)?;
        let caller = match role {
            Role::Terminal | Role::Institution => Caller::Institution(InstitutionCode::parse(name).ok()?),
            Role::Chain => {
                let group = percent_decoded(name);
                let fits = !group.trim().is_empty() && group.len() <= CHAIN_BYTES_MAX;
                fits.then_some(Caller::Chain(group))?
            }
            Role::Reader | Role::Bureau => {
                let fits = name.len() <= DIVISION_DIGITS_MAX && name.bytes().all(|b| b.is_ascii_digit());
                fits.then(|| Caller::Bureau(name.to_owned()))?
            }
            Role::Operator => name.is_empty().then_some(Caller::Operator)?,
            Role::Auditor => name.is_empty().then_some(Caller::Auditor)?,
        };
        Some(Self { role, caller })
    }

    /// What it is.
    pub const fn role(&self) -> Role {
        self.role
    }

    /// For whom it speaks.
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Whether it may make, see and end a key of another identity: the operator of everybody; a bureau of institutions
    /// in its divisions; an institution and a chain of their counters. `known` = what the registry has of the other
    /// one's institution.
    pub fn may_issue(&self, other: &Self, known: Option<&Institution>) -> bool {
        let for_institution = matches!(other.role, Role::Institution | Role::Terminal);
        match (self.role, &self.caller, &other.caller) {
            (Role::Operator, _, _) => true,
            (Role::Bureau, Caller::Bureau(prefix), Caller::Institution(code)) => {
                for_institution && code.division().is_within(prefix)
            }
            (Role::Institution | Role::Chain, own, Caller::Institution(code)) => {
                other.role == Role::Terminal && own.may_know(*code, known)
            }
            (Role::Terminal | Role::Reader | Role::Auditor, _, _)
            | (Role::Bureau | Role::Institution | Role::Chain, _, _) => false,
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.role.name())?;
        match &self.caller {
            Caller::Institution(code) => write!(f, " {code}"),
            Caller::Chain(group) => write!(f, " {}", group.replace('%', "%25")),
            Caller::Bureau(prefix) if prefix.is_empty() => Ok(()),
            Caller::Bureau(prefix) => write!(f, " {prefix}"),
            Caller::Operator | Caller::Auditor => Ok(()),
        }
    }
}

impl Serialize for Identity {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Identity {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// By what a caller is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// It said so, and is believed.
    Word,
    /// A key, by its id.
    Key(String),
    /// The operator's key of the gateway's own machine.
    LocalKey,
    /// A certificate, by its fingerprint.
    Certificate(String),
}

/// Whoever calls: an identity, and by what it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Who.
    pub identity: Identity,
    /// By what.
    pub credential: Credential,
}

impl Principal {
    /// The operator of this machine, who is believed.
    pub const OPERATOR: Self = Self { identity: Identity::OPERATOR, credential: Credential::Word };
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.identity.fmt(f)?;
        match &self.credential {
            Credential::Word => Ok(()),
            Credential::Key(id) => write!(f, ", key {id}"),
            Credential::LocalKey => f.write_str(", this machine's key"),
            Credential::Certificate(fingerprint) => write!(f, ", certificate {fingerprint}"),
        }
    }
}

impl std::ops::Deref for Principal {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.identity.caller
    }
}

/// A key as it is kept: everything but its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKey {
    /// Names it; no secret.
    pub id: String,
    /// Whoever shows it is this one.
    pub identity: Identity,
    /// What it is for, in its owner's words.
    pub label: String,
    /// The hash of its secret.
    pub secret_hash: [u8; 32],
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// From this moment on it is good for nothing.
    pub expires_at: Timestamp,
    /// It was ended before its time.
    pub revoked_at: Option<Timestamp>,
}

/// Why a key with the right secret lets nobody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyEnded {
    /// Its time is over.
    #[error("this key expired at {0}; ask whoever made it for a new one")]
    Expired(Timestamp),
    /// It was ended.
    #[error("this key was revoked at {0}; ask whoever made it for a new one")]
    Revoked(Timestamp),
}

impl AccessKey {
    /// The key in the place of what is known of it: what was ended stays ended, and no end is put off.
    #[must_use]
    pub fn over(self, known: &Self) -> Self {
        let revoked_at = match (self.revoked_at, known.revoked_at) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        Self { revoked_at, expires_at: self.expires_at.min(known.expires_at), ..self }
    }

    /// Whether it is good for anything at a moment.
    pub fn stands(&self, now: Timestamp) -> Result<(), KeyEnded> {
        match self.revoked_at {
            Some(at) => Err(KeyEnded::Revoked(at)),
            None if self.expires_at <= now => Err(KeyEnded::Expired(self.expires_at)),
            None => Ok(()),
        }
    }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let hex =
            |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
        let mut ahead = rest.clone();
        match (byte, hex(ahead.next()), hex(ahead.next())) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(high << 4 | low);
                rest = ahead;
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Identity {
        Identity::parse(text).unwrap()
    }

    #[test]
    fn identities_are_read_and_written() {
        let check = |text: &str, role: Role, caller: Caller| {
            let read = named(text);
            assert_eq!((read.role(), read.caller()), (role, &caller), "{text}");
            assert_eq!(named(&read.to_string()), read, "{text}");
        };
        let code = InstitutionCode::parse("P13010200101").unwrap();
        check("operator", Role::Operator, Caller::Operator);
        check("auditor", Role::Auditor, Caller::Auditor);
        check("bureau 13", Role::Bureau, Caller::Bureau("13".into()));
        check("bureau", Role::Bureau, Caller::Bureau(String::new()));
        check(" reader  130102 ", Role::Reader, Caller::Bureau("130102".into()));
        check("institution P13010200101", Role::Institution, Caller::Institution(code));
        check("terminal p13010200101", Role::Terminal, Caller::Institution(code));
        check("chain CHAIN-A", Role::Chain, Caller::Chain("CHAIN-A".into()));
        check("chain %E8%BF%9E%E9%94%81", Role::Chain, Caller::Chain("连锁".into()));
        check("chain 100%2541", Role::Chain, Caller::Chain("100%41".into()));
        for text in
            ["", "institution X", "bureau abc", "bureau 1301021", "operator please", "chain", "Operator"]
        {
            assert_eq!(Identity::parse(text), Err(BadIdentity(text.to_owned())), "{text}");
        }
        assert!(Identity::parse(&format!("chain {}", "x".repeat(CHAIN_BYTES_MAX + 1))).is_err());
    }

    #[test]
    fn whoever_makes_keys_makes_them_for_its_own() {
        let check = |issuer: &str, allowed: &[&str], refused: &[&str]| {
            for (others, expected) in [(allowed, true), (refused, false)] {
                for other in others {
                    let may = named(issuer).may_issue(&named(other), None);
                    assert_eq!(may, expected, "{issuer} for {other}");
                }
            }
        };
        let (own, counter) = ("institution P13010200101", "terminal P13010200101");
        let all =
            ["institution P13010200101", counter, "chain A", "reader 13", "bureau 13", "operator", "auditor"];
        check("operator", &all, &[]);
        check(
            "bureau 1301",
            &[own, counter],
            &["terminal P12010200101", "chain A", "reader 1301", "bureau 1301", "operator"],
        );
        check(own, &[counter], &[own, "terminal P13010200102", "operator", "reader 13"]);
        for other in ["reader 1301", counter, "auditor"] {
            check(other, &[], &all);
        }
    }

    #[test]
    fn a_key_ends() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let key = AccessKey {
            id: "k1".into(),
            identity: named("bureau 1301"),
            label: "desk".into(),
            secret_hash: [7; 32],
            created_at: at(0),
            created_by: "operator".into(),
            expires_at: at(100),
            revoked_at: None,
        };
        assert_eq!(key.stands(at(99)), Ok(()));
        assert_eq!(key.stands(at(100)), Err(KeyEnded::Expired(at(100))));
        let revoked = AccessKey { revoked_at: Some(at(50)), ..key.clone() };
        assert_eq!(revoked.stands(at(200)), Err(KeyEnded::Revoked(at(50))));
        let bytes = postcard::to_stdvec(&key).unwrap();
        assert_eq!(postcard::from_bytes::<AccessKey>(&bytes).unwrap(), key);
        // Whoever shortens its time did not know that it was revoked, or the other way round.
        let shortened = AccessKey { expires_at: at(40), ..key.clone() };
        let both = AccessKey { expires_at: at(40), ..revoked.clone() };
        assert_eq!(shortened.clone().over(&revoked), both);
        assert_eq!(revoked.clone().over(&shortened), both);
        assert_eq!(AccessKey { revoked_at: Some(at(60)), ..key }.over(&revoked), revoked);
    }
}
