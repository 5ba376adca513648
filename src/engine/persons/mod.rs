//! Marks of persons: keyed hashes by which two sales of one person are seen to be that, and the join keys under which they
//! are made. A join key is made once for a whole deployment and kept sealed among the registry's rows; what opens it
//! are wrapping keys, which each gateway reads from files. Without them nothing of a person is kept.

mod wrapping;

pub use wrapping::{NotOpened, SECRET_BYTES, WrappingKey, WrappingKeys};

use super::access::random_bytes;
use super::{Engine, EngineError};
use crate::domain::access::Principal;
use crate::domain::person::{
    JoinKey, MARK_BYTES, Mark, PERSON_NUMBER_BYTES_MAX, Person, PersonMark, PersonNumber, Sealed,
};
use crate::domain::registry::{Registry, RegistryRow};
use crate::telemetry;
use crate::trail::{Act, Fact};
use wrapping::JoinSecret;

/// What comes with a request and is no part of it: it may be another one when the same request is sent again.
#[derive(Debug, Clone, Copy, Default)]
pub struct Said<'a> {
    /// Why the operator goes on after a reminder.
    pub reason: Option<&'a str>,
    /// To whom the boxes are handed.
    pub person: Option<&'a Person>,
}

/// The same as it is kept.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Beside<'a> {
    pub reason: Option<&'a str>,
    pub person: Option<PersonMark>,
}

impl Engine {
    /// The same engine with wrapping keys, so that it can make marks.
    #[must_use]
    pub fn with_wrapping_keys(self, wrapping: WrappingKeys) -> Self {
        Self { wrapping, ..self }
    }

    /// Makes the first join key, and seals those anew that an older wrapping key seals. Refuses where the one in force
    /// cannot be opened: sales of one person would not be seen to be that. What cannot be written now is written at a
    /// later start: counters need none of it.
    pub async fn open_join_keys(&self) -> Result<(), EngineError> {
        let _changing = self.knowledge.changing.lock().await;
        self.catch_up_registry().await?;
        let Some(first) = self.wrapping.first() else { return Ok(()) };
        let registry = &self.knowledge.get().registry;
        let mut rows = Vec::new();
        for key in registry.join_keys() {
            let Some(sealed) = &key.sealed else { continue };
            match self.wrapping.open(key.version, sealed) {
                Ok(_) if sealed.by == first.id() => {}
                Ok(secret) => {
                    rows.push(JoinKey { sealed: Some(first.seal(key.version, &secret)?), ..key.clone() })
                }
                Err(why) if in_force(registry).is_some_and(|(version, _)| version == key.version) => {
                    return Err(EngineError::Precondition(format!("join key {}: {why}", key.version)));
                }
                Err(why) => tracing::warn!(version = key.version, %why, "an earlier join key stays as it is"),
            }
        }
        if !rows.is_empty() {
            let versions: Vec<u32> = rows.iter().map(|key| key.version).collect();
            let fact = self.own_fact(Act::JoinKeyRewrap, first.id()).with("versions", versions);
            let put = self.put_rows(fact, rows.into_iter().map(RegistryRow::JoinKey).collect()).await;
            if let Err(error) = put {
                tracing::error!(%error, "join keys stay sealed by an older wrapping key; keep its file");
            }
        }
        if registry.join_keys().next().is_none() {
            let fact = self.own_fact(Act::JoinKeyCreate, "1");
            if let Err(error) = self.put_join_key(fact, 1, "gateway".to_owned()).await {
                tracing::error!(%error, "there is no join key, and nothing of persons is kept until a restart");
            }
        }
        Ok(())
    }

    /// The join keys in order of their versions; never what they seal.
    pub fn join_keys(&self) -> Vec<JoinKey> {
        self.knowledge.get().registry.join_keys().cloned().collect()
    }

    /// Makes a join key that is in force from now on: sales before and after it are joined no more.
    pub async fn rotate_join_key(&self, by: &Principal) -> Result<JoinKey, EngineError> {
        let _changing = self.knowledge.changing.lock().await;
        self.catch_up_registry().await?;
        let version = self.knowledge.get().registry.join_keys().last().map_or(1, |key| key.version + 1);
        self.put_join_key(self.fact(by, Act::JoinKeyCreate, version.to_string()), version, by.to_string())
            .await
    }

    /// Whoever calls holds the lock on changes.
    async fn put_join_key(&self, fact: Fact, version: u32, by: String) -> Result<JoinKey, EngineError> {
        let first = self.wrapping.first().ok_or_else(|| {
            EngineError::Precondition(
                "this gateway has no wrapping key; name its file in privacy.wrapping_key_files".to_owned(),
            )
        })?;
        let key = JoinKey {
            version,
            sealed: Some(first.seal(version, &random_bytes()?)?),
            created_at: self.clock.now(),
            created_by: by,
            destroyed_at: None,
        };
        self.put_rows(fact.with("sealed_by", first.id()), vec![RegistryRow::JoinKey(key.clone())]).await?;
        // Another gateway may have made one of that version a moment before: that one stands.
        let registry = &self.knowledge.get().registry;
        Ok(registry.join_keys().find(|stands| stands.version == version).cloned().unwrap_or(key))
    }

    /// Destroys a join key that is not in force any more. Marks under it stay, and are of nobody.
    pub async fn destroy_join_key(&self, by: &Principal, version: u32) -> Result<JoinKey, EngineError> {
        let _changing = self.knowledge.changing.lock().await;
        self.catch_up_registry().await?;
        let registry = &self.knowledge.get().registry;
        let key = registry.join_keys().find(|key| key.version == version);
        let key = key.ok_or_else(|| {
            EngineError::NotFound(format!("no join key {version}; ListJoinKeys names them"))
        })?;
        if key.destroyed_at.is_some() {
            return Ok(key.clone());
        }
        if in_force(registry).is_some_and(|(newest, _)| newest == version) {
            return Err(EngineError::Precondition(format!(
                "join key {version} is in force; make another one first (RotateJoinKey)"
            )));
        }
        let key = JoinKey { sealed: None, destroyed_at: Some(self.clock.now()), ..key.clone() };
        let fact = self.fact(by, Act::JoinKeyDestroy, version.to_string());
        self.put_rows(fact, vec![RegistryRow::JoinKey(key.clone())]).await?;
        Ok(key)
    }

    /// What is kept of what was said beside a request.
    pub(super) fn kept_beside<'a>(&self, said: Said<'a>) -> Result<Beside<'a>, EngineError> {
        self.limits.check_reason("go_on_reason", said.reason)?;
        let person = match said.person {
            Some(person) => self.mark(person)?,
            None => None,
        };
        Ok(Beside { reason: said.reason, person })
    }

    /// The marks of a person; `None` = there is nothing to mark, or nothing to mark it with.
    fn mark(&self, person: &Person) -> Result<Option<PersonMark>, EngineError> {
        let certificate = spelled("document.person.certificate_no", person.certificate_no.as_deref())?;
        let insured = spelled("document.person.insured_no", person.insured_no.as_deref())?;
        if certificate.is_none() && insured.is_none() {
            return Ok(None);
        }
        let knowledge = self.knowledge.get();
        let Some((key_version, sealed)) = in_force(&knowledge.registry) else {
            telemetry::person_told("no_key");
            return Ok(None);
        };
        let Ok(secret) = self.wrapping.open(key_version, sealed) else {
            telemetry::person_told("sealed");
            return Ok(None);
        };
        telemetry::person_told("marked");
        let of = |kind, number: Option<String>| number.map(|number| mark_of(&secret, kind, &number));
        Ok(Some(PersonMark {
            key_version,
            certificate: of(PersonNumber::Certificate, certificate),
            insured: of(PersonNumber::Insured, insured),
        }))
    }
}

/// The newest join key that was not destroyed.
fn in_force(registry: &Registry) -> Option<(u32, &Sealed)> {
    registry.join_keys().rev().find_map(|key| Some((key.version, key.sealed.as_ref()?)))
}

/// A number in one spelling. What is wrong with it is told without it.
fn spelled(field: &str, number: Option<&str>) -> Result<Option<String>, EngineError> {
    let Some(number) = number else { return Ok(None) };
    if number.len() > PERSON_NUMBER_BYTES_MAX {
        let what = format!("has more than {PERSON_NUMBER_BYTES_MAX} bytes");
        return Err(EngineError::invalid(field, what));
    }
    Ok(Person::spelled(number))
}

fn mark_of(secret: &JoinSecret, kind: PersonNumber, number: &str) -> Mark {
    let kind: &[u8] = match kind {
        PersonNumber::Certificate => b"certificate\0",
        PersonNumber::Insured => b"insured\0",
    };
    let mut hasher = blake3::Hasher::new_keyed(secret);
    hasher.update(kind).update(number.as_bytes());
    let mut mark = [0; MARK_BYTES];
    hasher.finalize_xof().fill(&mut mark);
    mark
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_tells_kinds_and_keys_apart_and_is_one_for_ever() {
        let of = |key: u8, kind, number| mark_of(&[key; SECRET_BYTES], kind, number);
        let first = of(1, PersonNumber::Certificate, "A1");
        assert_eq!(first, of(1, PersonNumber::Certificate, "A1"));
        assert_ne!(first, of(1, PersonNumber::Insured, "A1"));
        assert_ne!(first, of(2, PersonNumber::Certificate, "A1"));
        assert_ne!(first, of(1, PersonNumber::Certificate, "A2"));
        // Stored marks must join with those of later versions of this program.
        let hex: String = first.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "9afa819b244ad2111f6716c7c2d42698");
    }
}
