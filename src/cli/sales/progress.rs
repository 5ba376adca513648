//! How far an import is durable: a small file beside the imported one, written after every answer.
//!
//! It is trusted only where the file up to there is what it was (its hash), the gateway leads to the same ledger
//! (its name), and the options are the same. Anything else could pass over sales that nobody recorded.

use super::batches::{Asked, Pass, Plan, Reached, passes};
use super::beside;
use super::totals::Totals;
use crate::cli::files::Place;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// The form of the progress file; an unknown one is refused.
const FORMAT: u32 = 1;

/// What must be the same when an import goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Options {
    pub findings: bool,
    pub count_sold: bool,
    pub rejects: PathBuf,
}

/// Lengths of the sheets: what was written after the last acknowledged batch is cut off and written again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SheetBytes {
    pub rejects: u64,
    pub findings: u64,
}

/// The progress file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Saved {
    format: u32,
    /// Names the ledger that acknowledged.
    ledger: String,
    pub options: Options,
    pub pass: Pass,
    /// Everything before it is durable.
    pub place: Place,
    /// Bytes of the file when the import began.
    file_bytes: u64,
    /// What was read of the file, and its BLAKE3.
    prefix: Prefix,
    pub sheets: SheetBytes,
    pub totals: Totals,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Prefix {
    bytes: u64,
    blake3: String,
}

/// How far an import is, and where that is kept.
#[derive(Debug)]
pub(super) struct Progress {
    path: PathBuf,
    passes: &'static [Pass],
    resumes: bool,
    saved: Saved,
    hashed: Hashed,
}

impl Progress {
    /// Of a fresh import, or of an interrupted one that can be trusted.
    pub fn open(file: &Path, options: Options, from_start: bool) -> Result<Self> {
        let path = beside(file, ".progress.json");
        let mut hashed = Hashed::open(file)?;
        let file_bytes = hashed.file_bytes;
        let passes = passes(file, options.findings)?;
        refuse_same_file(file, &options.rejects)?;
        let known = if from_start { None } else { read(&path)? };
        let resumes = known.is_some();
        let saved = match known {
            Some(saved) => {
                check(&saved, &options, &path)?;
                is_unchanged(&saved, &mut hashed, file)?;
                Saved { file_bytes, ..saved }
            }
            None => fresh(options, file_bytes, passes),
        };
        Ok(Self { path, passes, resumes, saved, hashed })
    }

    /// What stands in the progress file, or will.
    pub const fn saved(&self) -> &Saved {
        &self.saved
    }

    pub const fn options(&self) -> &Options {
        &self.saved.options
    }

    /// What an interrupted import had reached.
    pub fn resumed(&self) -> Option<&Saved> {
        self.resumes.then_some(&self.saved)
    }

    /// Whether the gateway leads to the ledger that this import began with.
    pub fn is_about(&mut self, ledger: &str, address: &str) -> Result<()> {
        if self.resumes && self.saved.ledger != ledger {
            bail!(
                "{address} leads to another ledger than the one that this import began with; name that one with --to, \
                 or begin again with --from-start"
            );
        }
        ledger.clone_into(&mut self.saved.ledger);
        Ok(())
    }

    pub fn plan(&self, file: &Path, asked: Asked) -> Plan {
        let Saved { pass, place, file_bytes, .. } = self.saved;
        let from = self.resumes.then_some(Reached { pass, place });
        Plan { file: file.to_owned(), file_bytes, from, asked }
    }

    /// Bytes that all passes read.
    pub fn bytes_to_read(&self) -> u64 {
        self.saved.file_bytes.saturating_mul(self.passes.len() as u64)
    }

    /// Bytes of them that are behind.
    pub fn bytes_read(&self) -> u64 {
        let before = self.passes.iter().position(|pass| *pass == self.saved.pass).unwrap_or(0) as u64;
        self.saved.file_bytes.saturating_mul(before).saturating_add(self.saved.place.offset_bytes)
    }

    /// Keeps that everything before `reached` is durable.
    pub fn save(&mut self, reached: Reached, sheets: SheetBytes, totals: Totals) -> Result<()> {
        self.hashed.advance_to(reached.place.offset_bytes)?;
        let Reached { pass, place } = reached;
        self.saved =
            Saved { pass, place, prefix: self.hashed.prefix(), sheets, totals, ..self.saved.clone() };
        let cannot = || format!("{} cannot be written", self.path.display());
        let draft = self.path.with_extension("draft");
        std::fs::write(&draft, serde_json::to_vec_pretty(&self.saved)?).with_context(cannot)?;
        // Renamed over the old one: a kill leaves the one or the other.
        std::fs::rename(&draft, &self.path).with_context(cannot)
    }

    /// The import is complete: there is nothing to go on with.
    pub fn finish(self) -> Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("{} cannot be removed", self.path.display()))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

fn fresh(options: Options, file_bytes: u64, passes: &[Pass]) -> Saved {
    Saved {
        format: FORMAT,
        ledger: String::new(),
        options,
        pass: passes.first().copied().unwrap_or(Pass::All),
        place: Place { offset_bytes: 0, line: 1 },
        file_bytes,
        prefix: Prefix { bytes: 0, blake3: String::new() },
        sheets: SheetBytes::default(),
        totals: Totals::default(),
    }
}

fn read(path: &Path) -> Result<Option<Saved>> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
    };
    let saved: Saved = serde_json::from_slice(&text).with_context(|| {
        format!("{} is no progress of an import; begin again with --from-start", path.display())
    })?;
    if saved.format != FORMAT {
        bail!("{} is of another version; begin again with --from-start", path.display());
    }
    Ok(Some(saved))
}

fn check(saved: &Saved, options: &Options, path: &Path) -> Result<()> {
    if saved.options == *options {
        return Ok(());
    }
    let flag = |name: &str, set: bool| if set { format!(" {name}") } else { String::new() };
    let Options { findings, count_sold, rejects } = &saved.options;
    bail!(
        "{} is of an import with other options; it was given{}{} --rejects {}. Give the same, or begin again with \
         --from-start",
        path.display(),
        flag("--findings", *findings),
        flag("--count-sold", *count_sold),
        rejects.display()
    )
}

/// Whether the file up to where it was read is what it was. Returns were read to its end, so that nothing may have
/// been appended once they are done.
fn is_unchanged(saved: &Saved, hashed: &mut Hashed, file: &Path) -> Result<()> {
    let must_end = saved.pass == Pass::Sales;
    let same =
        hashed.file_bytes >= saved.prefix.bytes && (!must_end || hashed.file_bytes == saved.file_bytes) && {
            hashed.advance_to(saved.prefix.bytes)?;
            hashed.prefix() == saved.prefix
        };
    if same {
        return Ok(());
    }
    bail!(
        "{} has changed since its import was interrupted at line {}; import it with --from-start (rows on record are \
         passed over)",
        file.display(),
        saved.place.line
    )
}

/// Refused rows must not be written over the file that is read.
fn refuse_same_file(file: &Path, rejects: &Path) -> Result<()> {
    if let (Ok(file), Ok(rejects)) = (file.canonicalize(), rejects.canonicalize())
        && file == rejects
    {
        bail!("--rejects names the imported file itself; name another");
    }
    Ok(())
}

/// The front of the file, hashed as far as it was acknowledged.
#[derive(Debug)]
struct Hashed {
    path: PathBuf,
    file: File,
    file_bytes: u64,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Hashed {
    fn open(path: &Path) -> Result<Self> {
        let cannot = || format!("{} cannot be opened", path.display());
        let file = File::open(path).with_context(cannot)?;
        let about = file.metadata().with_context(cannot)?;
        if !about.is_file() {
            bail!("{} is no file; an import that can go on needs one", path.display());
        }
        let (path, file_bytes) = (path.to_owned(), about.len());
        Ok(Self { path, file, file_bytes, hasher: blake3::Hasher::new(), bytes: 0 })
    }

    /// Takes in the bytes up to an offset; those that are in already stay.
    fn advance_to(&mut self, offset_bytes: u64) -> Result<()> {
        let missing = offset_bytes.saturating_sub(self.bytes);
        let cannot = || format!("{} cannot be read", self.path.display());
        let mut buffer = vec![0; 1 << 16];
        let mut front = (&mut self.file).take(missing);
        loop {
            let read = front.read(&mut buffer).with_context(cannot)?;
            if read == 0 {
                break;
            }
            self.hasher.update(buffer.get(..read).unwrap_or_default());
            self.bytes += read as u64;
        }
        Ok(())
    }

    fn prefix(&self) -> Prefix {
        Prefix { bytes: self.bytes, blake3: self.hasher.finalize().to_hex().to_string() }
    }
}
