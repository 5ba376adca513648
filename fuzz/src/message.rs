//! A line of the national interface is read or refused, the same way each time.

use tracegate::cli::nhsa::{Body, read_message};

/// Holds for any bytes.
pub fn check(data: &[u8]) {
    let Ok(line) = std::str::from_utf8(data) else {
        return;
    };
    let read = read_message(line);
    assert_eq!(read, read_message(line));
    let Ok(message) = read else { return };
    match message.body {
        Body::Sales(documents) => {
            assert!(!documents.is_empty());
            assert!(documents.iter().all(|d| !d.lines.is_empty() && !d.request_id.is_empty()));
        }
        Body::Returns(documents) => {
            assert!(!documents.is_empty());
            let mut lines = documents.iter().flat_map(|d| &d.lines);
            assert!(lines.all(|l| l.quantity.is_none_or(|q| !q.is_sign_negative() || q.is_zero())));
        }
        Body::NotSupported(why) => assert!(!why.is_empty()),
    }
}
