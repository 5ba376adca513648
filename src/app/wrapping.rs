//! Wrapping keys from their files: 64 hexadecimal digits each.

use super::StartError;
use crate::engine::{SECRET_BYTES, WrappingKey, WrappingKeys};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Whom besides its owner a file lets in.
const OTHERS: u32 = 0o077;

/// The wrapping keys, in the order of their files.
pub(super) fn read(files: &[PathBuf]) -> Result<WrappingKeys, StartError> {
    let mut keys = Vec::with_capacity(files.len());
    for file in files {
        let wrong = |what: String| StartError::WrappingKey { file: file.clone(), what };
        let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
        // A key is as long as a hash, and written as one.
        let bytes = blake3::Hash::from_hex(text.trim())
            .map_err(|_| wrong(format!("is no key of {} hexadecimal digits", 2 * SECRET_BYTES)))?;
        warn_of_others(file);
        keys.push(WrappingKey::new(bytes.as_bytes())?);
    }
    Ok(WrappingKeys(keys))
}

fn warn_of_others(file: &Path) {
    let mode = std::fs::metadata(file).map(|found| found.permissions().mode());
    if mode.is_ok_and(|mode| mode & OTHERS != 0) {
        tracing::warn!(file = %file.display(), "others than its owner may read this wrapping key; chmod 600 it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_holds_no_key_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("wrapping.key");
        let check = |text: &str, expected: Option<&str>| {
            std::fs::write(&file, text).unwrap();
            let read = read(std::slice::from_ref(&file)).map_err(|error| error.to_string());
            match expected {
                None => assert_eq!(read.unwrap().0.len(), 1, "{text:?}"),
                Some(what) => assert!(read.unwrap_err().contains(what), "{text:?}"),
            }
        };
        check(&"0f".repeat(32), None);
        check(&format!("{}\n", "AB".repeat(32)), None);
        check("", Some("64 hexadecimal digits"));
        check(&"0g".repeat(32), Some("64 hexadecimal digits"));
        check(&"é".repeat(32), Some("64 hexadecimal digits"));
        let missing = dir.path().join("missing.key");
        let error = super::read(std::slice::from_ref(&missing)).unwrap_err().to_string();
        assert!(error.contains("missing.key") && error.contains("new-wrapping-key"), "{error}");
    }
}
