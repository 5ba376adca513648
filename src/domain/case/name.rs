//! How a case is called: the code and the case's number among the cases of its code.

use crate::domain::code::CodeKey;
use std::fmt;

/// Names a case for ever.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CaseName {
    /// The code.
    pub key: CodeKey,
    /// The case's number among the cases of its code, from 1.
    pub number: u32,
}

/// A text that names no case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a case id: a code, a hyphen and a number, such as 83003850000000131888-1")]
pub struct BadCaseName;

impl CaseName {
    /// Reads what [`Display`](fmt::Display) writes.
    pub fn parse(text: &str) -> Result<Self, BadCaseName> {
        let (code, number) = text.trim().rsplit_once('-').ok_or(BadCaseName)?;
        let key = CodeKey::parse(code).ok_or(BadCaseName)?;
        let number = number.parse().ok().filter(|number| *number > 0).ok_or(BadCaseName)?;
        Ok(Self { key, number })
    }
}

impl fmt::Display for CaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.key, self.number)
    }
}
