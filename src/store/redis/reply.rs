//! What Redis answers, read as what was asked for; anything else is an error.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever a newer driver can tell, it is not what was asked for"
)]

use super::effects::FEED_FIELD;
use super::link::LinkError;
use redis::Value as Reply;

/// A field of a hash with its value.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

/// An entry of a stream: its id and what it tells.
pub(super) type Item = (String, Vec<u8>);

pub(super) fn garbled() -> LinkError {
    LinkError::Refused("something stands there that this gateway did not write".to_owned())
}

/// The bytes of a reply; `None` = nothing stands.
pub(super) fn bytes_of(reply: Reply) -> Result<Option<Vec<u8>>, LinkError> {
    match reply {
        Reply::Nil => Ok(None),
        Reply::BulkString(bytes) => Ok(Some(bytes)),
        _ => Err(garbled()),
    }
}

/// Whether a reply is the number 1.
pub(super) fn is_one(reply: &Reply) -> bool {
    matches!(reply, Reply::Int(1))
}

/// A text for people, in either protocol.
pub(super) fn text_of(reply: Reply) -> Result<String, LinkError> {
    match reply {
        Reply::BulkString(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Reply::VerbatimString { text, .. } => Ok(text),
        _ => Err(garbled()),
    }
}

/// All values of a list.
pub(super) fn list_of(reply: Reply) -> Result<Vec<Vec<u8>>, LinkError> {
    match reply {
        Reply::Nil => Ok(Vec::new()),
        Reply::Array(items) | Reply::Set(items) => {
            items.into_iter().map(|item| bytes_of(item)?.ok_or_else(garbled)).collect()
        }
        _ => Err(garbled()),
    }
}

/// Whether a reply begins with some bytes; `None` = nothing stands.
pub(super) fn begins_with(reply: &Reply, bytes: &[u8]) -> Result<Option<bool>, LinkError> {
    match reply {
        Reply::Nil => Ok(None),
        Reply::BulkString(found) => Ok(Some(found.starts_with(bytes))),
        _ => Err(garbled()),
    }
}

/// The fields and values of a hash.
pub(super) fn pairs_of(reply: Reply) -> Result<Vec<Pair>, LinkError> {
    let both = |(field, value): (Reply, Reply)| {
        Ok((bytes_of(field)?.ok_or_else(garbled)?, bytes_of(value)?.ok_or_else(garbled)?))
    };
    match reply {
        Reply::Nil => Ok(Vec::new()),
        Reply::Map(pairs) => pairs.into_iter().map(both).collect(),
        Reply::Array(items) => {
            let mut items = items.into_iter();
            let mut pairs = Vec::new();
            while let (Some(field), Some(value)) = (items.next(), items.next()) {
                pairs.push(both((field, value))?);
            }
            Ok(pairs)
        }
        _ => Err(garbled()),
    }
}

/// The entries of the one stream that was read.
pub(super) fn entries_of(reply: Reply) -> Result<Vec<Item>, LinkError> {
    match reply {
        Reply::Nil => Ok(Vec::new()),
        Reply::Map(mut streams) => match streams.pop() {
            Some((_, entries)) => items_of(entries),
            None => Ok(Vec::new()),
        },
        Reply::Array(mut streams) => match streams.pop() {
            Some(Reply::Array(mut stream)) => items_of(stream.pop().unwrap_or(Reply::Nil)),
            _ => Err(garbled()),
        },
        _ => Err(garbled()),
    }
}

pub(super) fn items_of(reply: Reply) -> Result<Vec<Item>, LinkError> {
    let Reply::Array(items) = reply else {
        return if reply == Reply::Nil { Ok(Vec::new()) } else { Err(garbled()) };
    };
    let item = |item: Reply| {
        let Reply::Array(parts) = item else { return Err(garbled()) };
        let mut parts = parts.into_iter();
        let id = bytes_of(parts.next().unwrap_or(Reply::Nil))?.ok_or_else(garbled)?;
        let id = String::from_utf8(id).map_err(|_| garbled())?;
        let fields = pairs_of(parts.next().unwrap_or(Reply::Nil))?;
        let told = fields.into_iter().find(|(name, _)| name == FEED_FIELD.as_bytes());
        Ok((id, told.ok_or_else(garbled)?.1))
    };
    items.into_iter().map(item).collect()
}
