//! Keys by which callers are known: made, listed, replaced, ended, and recognised. They are rows of the registry, so that
//! what one gateway of a fleet makes or ends holds for all.

use super::{Engine, EngineError};
use crate::domain::access::{AccessKey, Credential, Identity, KeyEnded, Principal};
use crate::domain::party::{Caller, Institution};
use crate::domain::registry::{Registry, RegistryRow};
use crate::trail::Act;
use jiff::{SignedDuration, Timestamp};

/// How every key begins: tools that look for secrets in texts know it by that.
const PREFIX: &str = "tgk_";
const ID_BYTES: usize = 6;
const SECRET_BYTES: usize = 32;
/// Keys in one registry, ended ones among them.
const KEYS_MAX: usize = 200_000;
const VALID_DAYS_MAX: u32 = 1100;
const VALID_DAYS: u32 = 365;
const OVERLAP_HOURS_MAX: u32 = 720;
const PAGE_MAX: usize = 1000;
const PAGE: usize = 100;

/// A key that shall be made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewKey {
    /// Who will show it; empty = as the key that it replaces.
    pub identity: String,
    /// What it is for.
    pub label: String,
    /// Days until it expires.
    pub valid_days: Option<u32>,
    /// The id of a key that it replaces; empty = none.
    pub replaces: String,
    /// How long that one stays good, in hours.
    pub overlap_hours: u32,
}

/// Why whoever shows a key is not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotLetIn {
    /// No such key; the same whether its id is known or not.
    #[error("this key is not known; look whether all of it was copied")]
    Unknown,
    /// It was good once.
    #[error(transparent)]
    Ended(#[from] KeyEnded),
}

/// A page of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeysPage {
    /// In order of their ids.
    pub keys: Vec<AccessKey>,
    /// Where the next page begins; `None` = there is none.
    pub next: Option<String>,
}

/// The hash of a secret. A secret is as long as the hash and random, so that no slow hash is needed.
pub fn hash_of_secret(secret: &str) -> [u8; 32] {
    blake3::derive_key("tracegate 2026 access keys", secret.as_bytes())
}

/// Random bytes.
pub(super) fn random_bytes<const BYTES: usize>() -> Result<[u8; BYTES], EngineError> {
    let mut bytes = [0_u8; BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|error| EngineError::Precondition(format!("the system has no random numbers: {error}")))?;
    Ok(bytes)
}

/// Random bytes in hexadecimal digits.
pub fn random_text<const BYTES: usize>() -> Result<String, EngineError> {
    Ok(random_bytes::<BYTES>()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What a caller shows, taken apart: id and secret.
fn parts(shown: &str) -> Option<(&str, &str)> {
    let (id, secret) = shown.strip_prefix(PREFIX)?.split_once('_')?;
    (id.len() == 2 * ID_BYTES && secret.len() == 2 * SECRET_BYTES).then_some((id, secret))
}

impl Engine {
    /// Who shows a key.
    pub fn identify(&self, shown: &str) -> Result<Principal, NotLetIn> {
        let (id, secret) = parts(shown).ok_or(NotLetIn::Unknown)?;
        let knowledge = self.knowledge.get();
        let key = knowledge.registry.access_key(id).ok_or(NotLetIn::Unknown)?;
        // Compares in constant time.
        if blake3::Hash::from(key.secret_hash) != hash_of_secret(secret) {
            return Err(NotLetIn::Unknown);
        }
        key.stands(self.clock.now())?;
        Ok(Principal { identity: key.identity.clone(), credential: Credential::Key(id.to_owned()) })
    }

    /// Whether whoever was let in would be let in now: a key may have ended while a stream is open.
    pub fn is_still_let_in(&self, principal: &Principal) -> Result<(), NotLetIn> {
        match &principal.credential {
            Credential::Word | Credential::Certificate(_) | Credential::LocalKey => Ok(()),
            Credential::Key(id) => {
                let knowledge = self.knowledge.get();
                let key = knowledge.registry.access_key(id).ok_or(NotLetIn::Unknown)?;
                Ok(key.stands(self.clock.now())?)
            }
        }
    }

    /// Makes a key; gives it with what its owner shows, which nobody can tell again.
    pub async fn create_key(&self, by: &Principal, new: NewKey) -> Result<(AccessKey, String), EngineError> {
        let _changing = self.knowledge.changing.lock().await;
        self.catch_up_registry().await?;
        let now = self.clock.now();
        let knowledge = self.knowledge.get();
        let registry = &knowledge.registry;
        if registry.access_keys_len() >= KEYS_MAX {
            return Err(EngineError::Precondition(format!(
                "there are {KEYS_MAX} keys, and no room for more"
            )));
        }
        let replaced = match new.replaces.as_str() {
            "" => None,
            id => Some(own_key(registry, by, id)?),
        };
        let expires_at = checked_end(&new, now)?;
        let identity = identity_of(&new, replaced.as_ref())?;
        if !may_issue(registry, by, &identity) {
            let why = format!("{} makes no keys for {identity} (docs/access.md)", by.identity);
            return Err(EngineError::Denied(why));
        }
        let (id, secret) = (random_text::<ID_BYTES>()?, random_text::<SECRET_BYTES>()?);
        let key = AccessKey {
            identity,
            label: new.label,
            secret_hash: hash_of_secret(&secret),
            created_at: now,
            created_by: by.to_string(),
            expires_at,
            revoked_at: None,
            id,
        };
        self.limits.check_row(&RegistryRow::AccessKey(key.clone()))?;
        let mut rows = vec![RegistryRow::AccessKey(key.clone())];
        rows.extend(replaced.map(|old| {
            let until = now + SignedDuration::from_hours(new.overlap_hours.into());
            RegistryRow::AccessKey(AccessKey { expires_at: old.expires_at.min(until), ..old })
        }));
        let fact = self.fact(by, Act::KeyCreate, key.id.clone());
        let fact = fact.with("for", key.identity.to_string()).with("replaces", new.replaces);
        let fact = fact.with("expires_at", key.expires_at.to_string());
        self.put_rows(fact, rows).await?;
        let shown = format!("{PREFIX}{}_{secret}", key.id);
        Ok((key, shown))
    }

    /// The keys behind an id that the caller may make, at most a page of them; 0 = as many as is usual.
    pub fn list_keys(&self, by: &Principal, after: &str, page_size: usize, only_valid: bool) -> KeysPage {
        let most = if page_size == 0 { PAGE } else { page_size.min(PAGE_MAX) };
        let knowledge = self.knowledge.get();
        let now = self.clock.now();
        let shown = |key: &&AccessKey| {
            may_issue(&knowledge.registry, by, &key.identity) && !(only_valid && key.stands(now).is_err())
        };
        let mut found = knowledge.registry.access_keys_after(after).filter(shown);
        let keys: Vec<AccessKey> = found.by_ref().take(most).cloned().collect();
        let next = found.next().and(keys.last()).map(|key| key.id.clone());
        KeysPage { keys, next }
    }

    /// Ends a key at once.
    pub async fn revoke_key(&self, by: &Principal, id: &str) -> Result<AccessKey, EngineError> {
        let _changing = self.knowledge.changing.lock().await;
        self.catch_up_registry().await?;
        let knowledge = self.knowledge.get();
        let key = own_key(&knowledge.registry, by, id)?;
        if key.revoked_at.is_some() {
            return Ok(key);
        }
        let key = AccessKey { revoked_at: Some(self.clock.now()), ..key };
        let fact = self.fact(by, Act::KeyRevoke, id).with("of", key.identity.to_string());
        self.put_rows(fact, vec![RegistryRow::AccessKey(key.clone())]).await?;
        Ok(key)
    }
}

/// Whether a caller makes and sees keys of an identity.
fn may_issue(registry: &Registry, by: &Principal, identity: &Identity) -> bool {
    let known = |caller: &Caller| -> Option<&Institution> {
        match caller {
            Caller::Institution(code) => registry.institution(*code),
            Caller::Chain(_) | Caller::Bureau(_) | Caller::Operator | Caller::Auditor => None,
        }
    };
    by.identity.may_issue(identity, known(identity.caller()))
}

/// A key that the caller may change. Somebody else's is as unknown as one that does not exist.
fn own_key(registry: &Registry, by: &Principal, id: &str) -> Result<AccessKey, EngineError> {
    let key = registry.access_key(id).filter(|key| may_issue(registry, by, &key.identity));
    key.cloned().ok_or_else(|| EngineError::NotFound(format!("no key {id:?}; ListKeys names them")))
}

fn checked_end(new: &NewKey, now: Timestamp) -> Result<Timestamp, EngineError> {
    let days = new.valid_days.unwrap_or(VALID_DAYS);
    if !(1..=VALID_DAYS_MAX).contains(&days) {
        let what = format!("{days} days; write 1 to {VALID_DAYS_MAX}");
        return Err(EngineError::invalid("valid_days", what));
    }
    if new.overlap_hours > OVERLAP_HOURS_MAX {
        let what = format!("{} hours; write 0 to {OVERLAP_HOURS_MAX}", new.overlap_hours);
        return Err(EngineError::invalid("overlap_hours", what));
    }
    if new.label.trim().is_empty() {
        return Err(EngineError::invalid(
            "label",
            "is empty; say what the key is for, so that it can be told apart",
        ));
    }
    Ok(now + SignedDuration::from_hours(24 * i64::from(days)))
}

fn identity_of(new: &NewKey, replaced: Option<&AccessKey>) -> Result<Identity, EngineError> {
    let read =
        |text: &str| Identity::parse(text).map_err(|e| EngineError::invalid("identity", e.to_string()));
    match (new.identity.as_str(), replaced) {
        ("", Some(old)) => Ok(old.identity.clone()),
        (text, None) => read(text),
        (text, Some(old)) => {
            let identity = read(text)?;
            if identity == old.identity {
                return Ok(identity);
            }
            let what = format!(
                "key {} is for {}; leave it empty, or make a key that replaces none",
                old.id, old.identity
            );
            Err(EngineError::invalid("identity", what))
        }
    }
}
