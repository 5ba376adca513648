//! Where things lie: partitions that are fixed for ever, and in them buckets whose number is fixed when a deployment
//! is initialised. A partition is one slot of a cluster; a bucket is a hash small enough for Redis to pack.

use super::decision::DecisionId;
use super::link::Tag;
use crate::domain::claim::PaperKey;
use crate::domain::code::CodeKey;
use crate::domain::outcome::RequestKey;
use crate::domain::party::{InstitutionCode, Pool};
use crate::domain::tally::{Month, TallyKey};
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;
use std::hash::Hasher;

/// Partitions of every deployment, for ever.
pub(super) const PARTITIONS: u16 = 1024;
/// Entries that a bucket is planned for.
const BUCKET_ENTRIES: u64 = 96;
/// Codes of a document, about; a plan for codes is one for so many fewer documents.
const CODES_PER_DOCUMENT: u64 = 2;
/// Buckets that are read in one pipeline by whoever walks over all codes, about.
const BUCKETS_AT_ONCE: usize = 128;
/// Between the parts of a name; no part may hold it.
const SEPARATOR: u8 = 0x1f;
/// Bytes of an MSFX code in a bucket: its number without the leading 8, which every one has.
const MSFX_FIELD_BYTES: usize = 8;
/// 8×10^19, the first MSFX number.
const MSFX_FIRST: u128 = 80_000_000_000_000_000_000;
/// Bytes of an MSFX code's key.
const MSFX_KEY_BYTES: usize = 10;
/// Before the key of any other code, so that its field is longer than an MSFX code's.
const OTHER_FIELD: [u8; MSFX_FIELD_BYTES] = [0xff; MSFX_FIELD_BYTES];

/// How many buckets a partition has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Buckets {
    pub claims: u32,
    pub documents: u32,
}

impl Buckets {
    /// Room for so many codes.
    pub fn for_codes(codes: u64) -> Self {
        let of = |entries: u64| {
            let buckets = entries.div_ceil(u64::from(PARTITIONS) * BUCKET_ENTRIES);
            u32::try_from(buckets).unwrap_or(u32::MAX).max(1)
        };
        Self { claims: of(codes), documents: of(codes / CODES_PER_DOCUMENT) }
    }
}

/// Where a claim lies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ClaimPlace {
    pub tag: Tag,
    pub bucket: Vec<u8>,
    pub field: Vec<u8>,
    /// Its own key, where it is too long for the bucket.
    pub own: Vec<u8>,
}

/// A field of a bucket, or of another hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FieldPlace {
    pub tag: Tag,
    pub key: Vec<u8>,
    pub field: Vec<u8>,
}

/// Places of one deployment.
pub(super) struct Layout {
    hasher: SipHasher13,
    pub buckets: Buckets,
}

impl Layout {
    /// `secret` spreads what callers choose; it never changes.
    pub fn new(secret: &[u8; 16], buckets: Buckets) -> Self {
        Self { hasher: SipHasher13::new_with_key(secret), buckets }
    }

    fn hash(&self, kind: u8, bytes: &[u8]) -> u64 {
        let mut hasher = self.hasher;
        hasher.write_u8(kind);
        hasher.write(bytes);
        hasher.finish()
    }

    pub fn claim(&self, key: &CodeKey) -> ClaimPlace {
        let bytes = key.as_bytes();
        let (tag, bucket) = spread(self.hash(b'c', bytes), self.buckets.claims);
        let mut own = tag.key("h:");
        own.extend_from_slice(bytes);
        ClaimPlace { tag, bucket: claim_bucket(tag, bucket), field: field_of(key), own }
    }

    pub fn decision(&self, id: DecisionId) -> FieldPlace {
        let field = id.bytes().to_vec();
        let (tag, bucket) = spread(self.hash(b'd', &field), self.buckets.documents);
        FieldPlace { tag, key: decision_bucket(tag, bucket), field }
    }

    pub fn outcome(&self, key: &RequestKey) -> (Tag, Vec<u8>) {
        let mut name = key.institution.packed().to_be_bytes().to_vec();
        name.extend_from_slice(key.request_id.as_bytes());
        self.record(b'o', &name)
    }

    pub fn dossier(&self, key: &CodeKey) -> (Tag, Vec<u8>) {
        self.record(b'x', key.as_bytes())
    }

    pub fn purchase(&self, identity: &str) -> (Tag, Vec<u8>) {
        self.record(b'b', identity.as_bytes())
    }

    fn record(&self, kind: u8, name: &[u8]) -> (Tag, Vec<u8>) {
        let (tag, _) = spread(self.hash(kind, name), 1);
        let mut key = tag.key([kind, b':']);
        key.extend_from_slice(name);
        (tag, key)
    }

    /// All requests of a document: fields that begin with the institution and the document.
    pub fn requests(&self, institution: InstitutionCode, document: PaperKey) -> FieldPlace {
        let mut field = institution.packed().to_be_bytes().to_vec();
        field.extend_from_slice(&document.0.to_be_bytes());
        let (tag, bucket) = spread(self.hash(b'r', &field), self.buckets.documents);
        FieldPlace { tag, key: document_bucket(tag, bucket), field }
    }

    /// What gateways added to a position, each under its own number.
    pub fn balance(&self, pool: &Pool, catalog_code: &str) -> (Tag, Vec<u8>) {
        self.record(b's', &position_name(pool, catalog_code))
    }

    /// The catalogue codes of which a pool has a position.
    pub fn catalog_codes(&self, pool: &Pool) -> (Tag, Vec<u8>) {
        self.record(b'i', &position_name(pool, ""))
    }

    /// What gateways added to a tally, each under its own number.
    pub fn tally(&self, key: &TallyKey) -> (Tag, Vec<u8>) {
        self.record(b't', &key.packed())
    }

    /// The institutions of which there is a tally of a month.
    pub fn institutions_of(&self, month: Month) -> (Tag, Vec<u8>) {
        self.record(b'n', &month.packed().to_be_bytes())
    }

    /// The questions that wait in the partition of a position.
    pub fn awaited(&self, pool: &Pool, catalog_code: &str) -> (Tag, Vec<u8>) {
        let (tag, _) = spread(self.hash(b'w', &position_name(pool, catalog_code)), 1);
        (tag, awaited_of(tag))
    }
}

fn spread(hash: u64, buckets: u32) -> (Tag, u32) {
    let partition = (hash % u64::from(PARTITIONS)) as u16;
    let bucket = (hash / u64::from(PARTITIONS)) % u64::from(buckets.max(1));
    (Tag::Partition(partition), bucket as u32)
}

impl Layout {
    /// All partitions, so many at a time that about as many buckets are read at once however large a deployment is.
    pub fn walk(&self) -> Vec<Vec<Tag>> {
        let at_once = (BUCKETS_AT_ONCE / self.buckets.claims.max(1) as usize).max(1);
        let all: Vec<_> = partitions().collect();
        all.chunks(at_once).map(<[Tag]>::to_vec).collect()
    }
}

/// The buckets of a partition that Redis packs, of every kind.
pub(super) fn bucket_keys(tag: Tag, buckets: Buckets) -> impl Iterator<Item = Vec<u8>> {
    let claims = (0..buckets.claims).map(move |bucket| claim_bucket(tag, bucket));
    let documents = (0..buckets.documents)
        .flat_map(move |bucket| [document_bucket(tag, bucket), decision_bucket(tag, bucket)]);
    claims.chain(documents)
}

/// Every partition.
pub(super) fn partitions() -> impl Iterator<Item = Tag> {
    (0..PARTITIONS).map(Tag::Partition)
}

pub(super) fn claim_bucket(tag: Tag, bucket: u32) -> Vec<u8> {
    tag.key(format!("c:{bucket:x}"))
}

pub(super) fn document_bucket(tag: Tag, bucket: u32) -> Vec<u8> {
    tag.key(format!("r:{bucket:x}"))
}

fn decision_bucket(tag: Tag, bucket: u32) -> Vec<u8> {
    tag.key(format!("d:{bucket:x}"))
}

pub(super) fn awaited_of(tag: Tag) -> Vec<u8> {
    tag.key("w")
}

/// Version and moment of the registry.
pub(super) fn registry_head() -> Vec<u8> {
    Tag::Registry.key("head")
}

/// Its rows, by their identity.
pub(super) fn registry_rows() -> Vec<u8> {
    Tag::Registry.key("rows")
}

fn position_name(pool: &Pool, catalog_code: &str) -> Vec<u8> {
    let mut name = match pool {
        Pool::Institution(code) => format!("i{code}"),
        Pool::Chain(group) => format!("c{group}"),
    }
    .into_bytes();
    name.push(SEPARATOR);
    name.extend_from_slice(catalog_code.as_bytes());
    name
}

/// A code in a bucket.
fn field_of(key: &CodeKey) -> Vec<u8> {
    let bytes = key.as_bytes();
    if let ([_, number @ ..], MSFX_KEY_BYTES) = (bytes, bytes.len()) {
        let number = number.iter().fold(0_u128, |sum, byte| (sum << 8) | u128::from(*byte));
        let rest = number.checked_sub(MSFX_FIRST).and_then(|rest| u64::try_from(rest).ok());
        if let Some(rest) = rest.filter(|rest| key_of(&rest.to_be_bytes()).as_ref() == Some(key)) {
            return rest.to_be_bytes().to_vec();
        }
    }
    [OTHER_FIELD.as_slice(), bytes].concat()
}

/// The code of a field; `None` where it is none.
pub(super) fn key_of(field: &[u8]) -> Option<CodeKey> {
    match <[u8; MSFX_FIELD_BYTES]>::try_from(field) {
        Ok(rest) => {
            let number = MSFX_FIRST + u128::from(u64::from_be_bytes(rest));
            let [_, _, _, _, _, _, _, packed @ ..] = number.to_be_bytes();
            let mut key = vec![1];
            key.extend_from_slice(&packed);
            CodeKey::from_bytes(&key)
        }
        Err(_) => CodeKey::from_bytes(field.strip_prefix(&OTHER_FIELD)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::code::{Scan, ScanRules, read};

    #[track_caller]
    fn check(text: &str, bytes: usize) {
        let Scan::Code(code) = read(text, &ScanRules::default()) else { panic!("{text} is no code") };
        let field = field_of(&code.key());
        assert_eq!(key_of(&field), Some(code.key()), "{text}");
        assert_eq!(field.len(), bytes, "{text}");
    }

    #[test]
    fn fields_are_short_and_name_one_code() {
        check("80000000000000000000", 8);
        check("83003850000000000001", 8);
        check("89999999999999999999", 8);
        check("(01)06901234567892(21)S", 8 + 8);
        check("(01)06901234567892(21)S12", 8 + 10);
        assert_eq!(key_of(&[0xff; 8]), None, "no MSFX code has this number");
        assert_eq!(key_of(b""), None);
    }

    #[test]
    fn a_place_never_moves() {
        let layout = Layout::new(&[7; 16], Buckets::for_codes(1_000_000));
        let Scan::Code(code) = read("83003850000000000001", &ScanRules::default()) else { panic!() };
        let place = layout.claim(&code.key());
        let told = (place.tag.to_string(), String::from_utf8(place.bucket).unwrap());
        // Measured once: another value means that every claim ever made would be looked for in another place.
        assert_eq!(told, ("{p:0057}".to_owned(), "{p:0057}c:6".to_owned()));
    }

    #[test]
    fn buckets_have_room_for_the_plan() {
        let rows = [(0, 1, 1), (98_304, 1, 1), (98_305, 2, 1), (5_000_000, 51, 26)];
        for (codes, claims, documents) in rows {
            assert_eq!(Buckets::for_codes(codes), Buckets { claims, documents }, "{codes}");
        }
    }
}
