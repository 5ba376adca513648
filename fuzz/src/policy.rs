//! A policy file of any content is taken or refused with a line; what is taken has one version.

use tracegate::policy_files::{BUILT_IN, load};

/// Holds for any bytes.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let [national, hebei] = BUILT_IN;
    match load(&[national, hebei, ("fuzz.toml", text)]) {
        Ok(policy) => {
            let again =
                load(&[national, hebei, ("elsewhere.toml", text)]).expect("it was valid a moment ago");
            assert_eq!(policy.version(), again.version());
        }
        Err(errors) => {
            assert!(!errors.is_empty());
            assert!(errors.iter().all(|e| e.line >= 1 && !e.reason.is_empty()));
        }
    }
}
