//! What an operator configures about scans, compiled once: look-up hosts, placeholder patterns, own schemes.
//! Knows the form of the rules, not where they are kept.

use super::own::{OwnCode, OwnScheme, is_printable};
use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

/// The largest compiled pattern, in bytes. Patterns run in linear time, so only their size needs a limit.
const PATTERN_COMPILED_BYTES_MAX: usize = 1 << 20;

/// A pattern that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("pattern {pattern:?} cannot be used: {problem}; correct the regular expression and load it again")]
pub struct BadPattern {
    /// The pattern as it was given.
    pub pattern: String,
    /// What the compiler says, in one line.
    pub problem: String,
}

/// The compiled rules. Cheap to read, to be built again when one of them changes.
#[derive(Debug, Clone, Default)]
pub struct ScanRules {
    url_hosts: Vec<String>,
    /// One pass over a scan for all of them: every scan is asked.
    placeholders: RegexSet,
    schemes: Vec<(Regex, OwnScheme)>,
}

impl ScanRules {
    /// Compiles the rules. `placeholder_patterns` match anywhere unless they anchor themselves; scheme patterns
    /// match the whole text, and the first scheme that matches wins. Patterns are ASCII-minded: `\d` is 0-9 and
    /// `(?i)` folds A-Z.
    ///
    /// # Errors
    /// [`BadPattern`] for the first pattern that does not compile or is too large.
    pub fn new(
        url_hosts: &[String],
        placeholder_patterns: &[String],
        schemes: &[OwnScheme],
    ) -> Result<Self, BadPattern> {
        let compiled = |scheme: &OwnScheme| Ok((whole_text(&scheme.pattern)?, scheme.clone()));
        Ok(Self {
            url_hosts: url_hosts.iter().map(|host| host.trim().to_owned()).collect(),
            placeholders: compile_all(placeholder_patterns)?,
            schemes: schemes.iter().map(compiled).collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn url_hosts(&self) -> &[String] {
        &self.url_hosts
    }

    pub(super) fn is_placeholder(&self, text: &str) -> bool {
        self.placeholders.is_match(text.as_bytes())
    }

    pub(super) fn own_code(&self, text: &str) -> Option<OwnCode> {
        if !is_printable(text) {
            return None;
        }
        let matching = self.schemes.iter().find(|(pattern, _)| pattern.is_match(text.as_bytes()));
        matching.map(|(_, scheme)| scheme.code(text))
    }
}

/// A pattern that has to match the whole text.
pub(super) fn whole_text(pattern: &str) -> Result<Regex, BadPattern> {
    // Compiled alone first: `a)|(?:b` would slip out of the group that anchors it.
    compile(pattern, pattern)?;
    compile(pattern, &format!("^(?:{pattern})$"))
}

/// Patterns of which any may match.
fn compile_all(patterns: &[String]) -> Result<RegexSet, BadPattern> {
    // Compiled alone first: a mistake must name its pattern.
    for pattern in patterns {
        compile(pattern, pattern)?;
    }
    let bytes_max = PATTERN_COMPILED_BYTES_MAX.saturating_mul(patterns.len().max(1));
    let set = RegexSetBuilder::new(patterns).unicode(false).size_limit(bytes_max).build();
    set.map_err(|error| BadPattern { pattern: patterns.join(" | "), problem: last_line(&error) })
}

fn compile(given: &str, pattern: &str) -> Result<Regex, BadPattern> {
    let compiled = RegexBuilder::new(pattern).unicode(false).size_limit(PATTERN_COMPILED_BYTES_MAX).build();
    compiled.map_err(|error| BadPattern { pattern: given.to_owned(), problem: last_line(&error) })
}

/// What the compiler of patterns says, without the drawing around it.
fn last_line(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}
