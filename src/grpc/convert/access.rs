//! Keys of callers, and keys under which persons are marked.

use super::super::pb;
use super::timestamp;
use crate::domain::access::AccessKey;
use crate::domain::person::JoinKey;
use crate::engine::{NewKey, Purged};

/// A key that shall be made.
pub(crate) fn new_key(wire: pb::CreateKeyRequest) -> NewKey {
    NewKey {
        identity: wire.identity,
        label: wire.label,
        valid_days: wire.valid_days,
        replaces: wire.replaces_id,
        overlap_hours: wire.overlap_hours,
    }
}

/// A key without its secret.
pub(crate) fn access_key(key: &AccessKey) -> pb::AccessKey {
    pb::AccessKey {
        id: key.id.clone(),
        identity: key.identity.to_string(),
        label: key.label.clone(),
        created_at: Some(timestamp(key.created_at)),
        created_by: key.created_by.clone(),
        expires_at: Some(timestamp(key.expires_at)),
        revoked_at: key.revoked_at.map(timestamp),
    }
}

/// A join key without what it seals.
pub(crate) fn join_key(key: &JoinKey) -> pb::JoinKey {
    pb::JoinKey {
        version: key.version,
        sealed_by: key.sealed.as_ref().map(|sealed| sealed.by.clone()).unwrap_or_default(),
        created_at: Some(timestamp(key.created_at)),
        created_by: key.created_by.clone(),
        destroyed_at: key.destroyed_at.map(timestamp),
    }
}

/// What was removed.
pub(crate) fn purged_message(purged: &Purged) -> pb::PurgeResponse {
    let Purged { requests_before, requests, trail_before, trail_entries } = *purged;
    pb::PurgeResponse {
        requests_before: requests_before.map(timestamp),
        requests: requests.requests,
        requests_stayed: requests.stayed,
        segments: requests.segments,
        trail_before: trail_before.map(timestamp),
        trail_entries,
    }
}
