//! Policy files: TOML texts become one checked [`Policy`], or the list of everything wrong in them.
//!
//! A set of files is checked as a whole, in layers: national, then Hebei, then the operator's own.
//! Rules of all layers lie side by side (the most specific wins, whatever its file); a setting of
//! a later layer replaces that of an earlier one. This room knows files and TOML; it must not know
//! requests, and it never decides which rule applies.

mod error;
mod rules;
mod settings;
mod table;

#[cfg(test)]
mod built_in_tests;
#[cfg(test)]
mod tests;

pub use error::{LoadError, PolicyError};

use crate::domain::policy::{Exemption, Policy, Rule, Settings, contradictions};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use table::{FileReader, Table};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The longest policy file that is read, in bytes.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;

/// The most rules that all files together may hold; as many exemptions.
pub const RULES_MAX: usize = 10_000;

/// The baked-in layers, as pairs of file name and text.
pub const BUILT_IN: [(&str, &str); 2] = [
    ("policy/national.toml", include_str!("../../policy/national.toml")),
    ("policy/hebei.toml", include_str!("../../policy/hebei.toml")),
];

/// The policy of the baked-in files alone.
pub fn built_in() -> Policy {
    #[expect(clippy::expect_used, reason = "the texts are part of this program, and a test loads them")]
    load(&BUILT_IN).expect("the baked-in policy files are valid")
}

/// Reads layers of `(file name, text)`, the later over the earlier. The name is used in errors
/// and sources only. Errors come by layer and line; contradictions between rules come last.
pub fn load(layers: &[(&str, &str)]) -> Result<Policy, Vec<PolicyError>> {
    let mut collected = Collected::default();
    for (name, text) in layers {
        collected.read_file(name, text);
    }
    collected.finish()
}

/// Reads the baked-in layers and, over them, the files at `paths` in their order. Blocks on file IO.
/// What cannot be read comes first among the errors; what could be read is checked all the same.
pub fn load_with_built_in(paths: &[impl AsRef<Path>]) -> Result<Policy, Vec<LoadError>> {
    let mut errors = Vec::new();
    let mut texts = Vec::new();
    for path in paths {
        match read_text(path.as_ref()) {
            Ok(text) => texts.push((path.as_ref().display().to_string(), text)),
            Err(error) => errors.push(error),
        }
    }
    let own = texts.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    let layers: Vec<_> = BUILT_IN.into_iter().chain(own).collect();
    match load(&layers) {
        Ok(policy) if errors.is_empty() => Ok(policy),
        Ok(_) => Err(errors),
        Err(wrong) => {
            errors.extend(wrong.into_iter().map(LoadError::from));
            Err(errors)
        }
    }
}

/// Reads no more than one byte over the limit, so that a huge file costs nothing.
fn read_text(path: &Path) -> Result<String, LoadError> {
    let name = path.display().to_string();
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let limit = FILE_BYTES_MAX as u64 + 1;
        File::open(path)?.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|source| LoadError::Unreadable { path: name.clone(), source })?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(PolicyError::new(&name, 1, error::too_long()).into());
    }
    String::from_utf8(bytes).map_err(|bad| {
        let valid = bad.as_bytes().get(..bad.utf8_error().valid_up_to()).unwrap_or_default();
        let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
        PolicyError::new(&name, line, "not UTF-8 text; save the file as UTF-8").into()
    })
}

/// What the layers read so far have in them.
#[derive(Default)]
struct Collected {
    settings: Settings,
    rules: Vec<Rule>,
    exemptions: Vec<Exemption>,
    rules_seen: usize,
    exemptions_seen: usize,
    errors: Vec<PolicyError>,
}

impl Collected {
    fn read_file(&mut self, name: &str, text: &str) {
        if text.len() > FILE_BYTES_MAX {
            self.errors.push(PolicyError::new(name, 1, error::too_long()));
            return;
        }
        let (root, syntax_errors) = DeTable::parse_recoverable(text);
        let mut file = FileReader::new(name, text, &syntax_errors);
        self.read_root(&mut file, root.get_ref());
        self.errors.extend(file.into_errors());
    }

    fn read_root(&mut self, file: &mut FileReader, root: &DeTable<'_>) {
        let mut top = Table::new(file, "the file", root, 1);
        top.refuse_unknown_keys(&[&["settings", "rule", "exemption"]]);
        if let Some((entries, line)) = top.table("settings") {
            settings::read(&mut Table::new(file, "[settings]", entries, line), &mut self.settings);
        }
        let entries = tables_of(file, root, "rule", &mut self.rules_seen);
        let rules = entries.into_iter().filter_map(|(entries, line)| rules::read_rule(file, entries, line));
        self.rules.extend(rules);
        let entries = tables_of(file, root, "exemption", &mut self.exemptions_seen);
        let exemptions =
            entries.into_iter().filter_map(|(entries, line)| rules::read_exemption(file, entries, line));
        self.exemptions.extend(exemptions);
    }

    fn finish(mut self) -> Result<Policy, Vec<PolicyError>> {
        self.errors.extend(contradictions(&self.rules).into_iter().map(PolicyError::from));
        if self.errors.is_empty() {
            Ok(Policy::new(self.rules, self.exemptions, self.settings))
        } else {
            Err(self.errors)
        }
    }
}

type Entry<'v, 'i> = (&'v DeTable<'i>, usize);

/// The tables of the array under `key`, each with its line; `seen` counts them over all files.
fn tables_of<'v, 'i>(
    file: &mut FileReader,
    root: &'v DeTable<'i>,
    key: &'static str,
    seen: &mut usize,
) -> Vec<Entry<'v, 'i>> {
    let values = Table::new(file, "the file", root, 1).array(key).map_or(&[][..], |(values, _)| values);
    let left = RULES_MAX - *seen;
    *seen += values.len().min(left);
    if let Some(over) = values.get(left) {
        let line = file.line_of(over);
        file.refuse(
            line,
            format!("more than {RULES_MAX} entries [[{key}]] in all files; merge or remove some"),
        );
    }
    let entry = |value: &'v Spanned<DeValue<'i>>| match value.get_ref().as_table() {
        Some(entries) => Some((entries, file.line_of(value))),
        None => {
            let line = file.line_of(value);
            file.refuse(line, format!("{key} must be a table; write it as [[{key}]]"));
            None
        }
    };
    values.iter().take(left).filter_map(entry).collect()
}
