//! The reasons a verdict can give, in order of precedence, and the words that go with them.

/// Declares an enum together with its names: in files, in docs, and on disk.
macro_rules! named {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis enum $name { $($(#[$vmeta])* $variant),+ }

        impl $name {
            /// Every value, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name used in files, JSON and documentation.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The value with that name, or `None`.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)+ _ => None }
            }
        }

        // Stored by name: a value that is inserted later must not change the meaning of what is on disk.
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let name = <String as serde::Deserialize>::deserialize(deserializer)?;
                Self::from_name(&name).ok_or_else(|| serde::de::Error::unknown_variant(&name, &[$($text),+]))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}
pub(crate) use named;

named! {
    /// Why a finding was raised. The declaration order is the order of precedence in an answer.
    pub enum Reason {
        /// The institution is not in the registry.
        InstitutionUnknown = "INSTITUTION_UNKNOWN",
        /// The institution's agreement is suspended.
        InstitutionSuspended = "INSTITUTION_SUSPENDED",
        /// A product bar code (EAN-13) was scanned.
        ProductBarcode = "PRODUCT_BARCODE",
        /// A catalogue code was scanned.
        CatalogCode = "CATALOG_CODE",
        /// A national drug code (本位码) was scanned.
        NationalDrugCode = "NATIONAL_DRUG_CODE",
        /// A consumable's catalogue code was scanned.
        ConsumableCode = "CONSUMABLE_CODE",
        /// A URL was scanned that is not a lawful look-up page.
        ForeignUrl = "FOREIGN_URL",
        /// Not a code of any family.
        CodeMalformed = "CODE_MALFORMED",
        /// Damaged by a spreadsheet, such as `8.3E+19`.
        CodeCorrupted = "CODE_CORRUPTED",
        /// A placeholder that stands for no code.
        PlaceholderCode = "PLACEHOLDER_CODE",
        /// One whole pack twice in one request.
        CodeRepeated = "CODE_REPEATED",
        /// Not a whole number of packs, and not split.
        QuantityNotWhole = "QUANTITY_NOT_WHOLE",
        /// A code is due and missing.
        NoCode = "NO_CODE",
        /// Fewer or more codes than packs.
        CodeCountMismatch = "CODE_COUNT_MISMATCH",
        /// No code is due: the drug or the way it is dispensed is exempt.
        NoCodeExempt = "NO_CODE_EXEMPT",
        /// No code is due: the stock is on the no-code list.
        NoCodeListed = "NO_CODE_LISTED",
        /// A carton or middle code where the small code is due.
        NotSmallestPack = "NOT_SMALLEST_PACK",
        /// The prefix belongs to another drug than the line.
        DrugMismatch = "DRUG_MISMATCH",
        /// The prefix is not in the map yet.
        PrefixUnmapped = "PREFIX_UNMAPPED",
        /// Already sold.
        Duplicate = "DUPLICATE",
        /// Split sales of one box at two institutions.
        SplitElsewhere = "SPLIT_ELSEWHERE",
        /// No platform order and no filed purchase.
        NotPurchased = "NOT_PURCHASED",
        /// No purchase found, and the feed is older than its allowed lag.
        PurchaseNotKnownYet = "PURCHASE_NOT_KNOWN_YET",
        /// Sold more than bought.
        Oversold = "OVERSOLD",
        /// A self-purchasing private hospital sells above the listed price.
        PriceAboveListed = "PRICE_ABOVE_LISTED",
        /// A split of a pack whose number of units is not known.
        SplitUnitsUnknown = "SPLIT_UNITS_UNKNOWN",
        /// A code without a readable serial: duplicates cannot be judged.
        SerialMissing = "SERIAL_MISSING",
        /// The event lies further in the future than the allowed skew.
        EventTimeInFuture = "EVENT_TIME_IN_FUTURE",
        /// The event lay slightly in the future and was set to now.
        EventTimeClamped = "EVENT_TIME_CLAMPED",
        /// A return without a sale on record.
        ReturnUnpaired = "RETURN_UNPAIRED",
        /// The sale was already returned.
        AlreadyReturned = "ALREADY_RETURNED",
        /// The ledger could not be asked; will be settled later.
        Provisional = "PROVISIONAL",
        /// Not decided yet: ask again.
        InDoubt = "IN_DOUBT",
    }
}

impl Reason {
    /// Whether it says something about what only the ledger knows: other sales, purchases, how much of a pack is left.
    pub const fn rests_on_ledger(self) -> bool {
        match self {
            Self::Duplicate
            | Self::SplitElsewhere
            | Self::NotPurchased
            | Self::PurchaseNotKnownYet
            | Self::Oversold
            | Self::PriceAboveListed
            | Self::SplitUnitsUnknown
            | Self::ReturnUnpaired
            | Self::AlreadyReturned
            | Self::Provisional
            | Self::InDoubt => true,
            Self::InstitutionUnknown
            | Self::InstitutionSuspended
            | Self::ProductBarcode
            | Self::CatalogCode
            | Self::NationalDrugCode
            | Self::ConsumableCode
            | Self::ForeignUrl
            | Self::CodeMalformed
            | Self::CodeCorrupted
            | Self::PlaceholderCode
            | Self::CodeRepeated
            | Self::QuantityNotWhole
            | Self::NoCode
            | Self::CodeCountMismatch
            | Self::NoCodeExempt
            | Self::NoCodeListed
            | Self::NotSmallestPack
            | Self::DrugMismatch
            | Self::PrefixUnmapped
            | Self::SerialMissing
            | Self::EventTimeInFuture
            | Self::EventTimeClamped => false,
        }
    }
}

named! {
    /// How two sales of one code stand to each other.
    pub enum DuplicateClass {
        /// Another document of the same institution: suspected substitution (串换).
        SameInstitution = "SAME_INSTITUTION",
        /// Another institution, close in time: suspected counterfeit.
        OtherInstitutionClose = "OTHER_INSTITUTION_CLOSE",
        /// Another institution, long after: suspected re-circulated drug (回流药).
        OtherInstitutionLongGap = "OTHER_INSTITUTION_LONG_GAP",
        /// More units drawn than the pack holds.
        SplitOverdraw = "SPLIT_OVERDRAW",
        /// A whole-pack sale and a split sale of the same box.
        WholeAndSplit = "WHOLE_AND_SPLIT",
        /// A carton or middle code and one of its small codes.
        PackOverlap = "PACK_OVERLAP",
    }
}

named! {
    /// Which side of a duplicate this event is, by event time.
    pub enum Role {
        /// The other sale came first.
        Later = "LATER",
        /// This sale came first.
        Earlier = "EARLIER",
    }
}

named! {
    /// What a rule does with its finding; ordered from mildest to strictest.
    pub enum Enforcement {
        /// The rule does not apply: no finding.
        Off = "off",
        /// Noted, changes nothing.
        Observe = "observe",
        /// The work may go on, the operator is told, it is counted.
        Remind = "remind",
        /// Not settled.
        Block = "block",
    }
}

named! {
    /// The answer at the counter; ordered from mildest to strictest.
    pub enum Verdict {
        /// May be handed over and settled.
        Allow = "ALLOW",
        /// May go on; the operator is told.
        Remind = "REMIND",
        /// In doubt: hand nothing over, ask again.
        Pending = "PENDING",
        /// Not settled.
        Block = "BLOCK",
    }
}

impl From<Enforcement> for Verdict {
    fn from(enforcement: Enforcement) -> Self {
        match enforcement {
            Enforcement::Off | Enforcement::Observe => Self::Allow,
            Enforcement::Remind => Self::Remind,
            Enforcement::Block => Self::Block,
        }
    }
}
