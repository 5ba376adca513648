//! What an entry may be about: a closed set, so that whoever reads knows what can be looked for.

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Act {
    /// A chain begins: the first entry of all, or the first one behind damage that was found at a start.
    TrailBegin,
    /// Entries of long ago were removed; says up to which one.
    TrailPurge,
    /// Requests of long ago are removed.
    RequestsPurge,
    /// A gateway started, with the rules that its files held then.
    GatewayStart,
    /// The rule files were read again.
    PolicyReload,
    /// A second set of rules is judged beside those in force.
    ShadowStart,
    /// It is judged no more.
    ShadowStop,
    /// Rows of the registry were loaded: institutions, drugs, no-code list, own schemes, feeds, go-live days.
    RegistryLoad,
    /// Purchases were loaded.
    PurchasesLoad,
    /// Entries of the list of makers' errors were put.
    MakersErrorsPut,
    /// Somebody did something to a case.
    CaseAdvance,
    /// Somebody looked at everything that is recorded of a code.
    HistoryLook,
    /// Days were judged again.
    AuditRun,
    /// An import of past sales began.
    SalesImport,
    /// A key was made.
    KeyCreate,
    /// A key was revoked.
    KeyRevoke,
    /// A join key of persons was made.
    JoinKeyCreate,
    /// It is sealed by another wrapping key.
    JoinKeyRewrap,
    /// It was destroyed.
    JoinKeyDestroy,
    /// A caller has looked at more codes that were never its own than it may.
    ProbeBudget,
    /// What an earlier entry announced did not come to pass, or nobody knows whether it did.
    ChangeFailed,
}

impl Act {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::TrailBegin,
        Self::TrailPurge,
        Self::RequestsPurge,
        Self::GatewayStart,
        Self::PolicyReload,
        Self::ShadowStart,
        Self::ShadowStop,
        Self::RegistryLoad,
        Self::PurchasesLoad,
        Self::MakersErrorsPut,
        Self::CaseAdvance,
        Self::HistoryLook,
        Self::AuditRun,
        Self::SalesImport,
        Self::KeyCreate,
        Self::KeyRevoke,
        Self::JoinKeyCreate,
        Self::JoinKeyRewrap,
        Self::JoinKeyDestroy,
        Self::ProbeBudget,
        Self::ChangeFailed,
    ];

    /// Its name in entries. A name that was written once is never given to another act.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TrailBegin => "trail.begin",
            Self::TrailPurge => "trail.purge",
            Self::RequestsPurge => "requests.purge",
            Self::GatewayStart => "gateway.start",
            Self::PolicyReload => "policy.reload",
            Self::ShadowStart => "policy.shadow.start",
            Self::ShadowStop => "policy.shadow.stop",
            Self::RegistryLoad => "registry.load",
            Self::PurchasesLoad => "purchases.load",
            Self::MakersErrorsPut => "makers_errors.put",
            Self::CaseAdvance => "case.advance",
            Self::HistoryLook => "code_history.look",
            Self::AuditRun => "audit.run",
            Self::SalesImport => "sales.import",
            Self::KeyCreate => "key.create",
            Self::KeyRevoke => "key.revoke",
            Self::JoinKeyCreate => "join_key.create",
            Self::JoinKeyRewrap => "join_key.rewrap",
            Self::JoinKeyDestroy => "join_key.destroy",
            Self::ProbeBudget => "probe.budget",
            Self::ChangeFailed => "change.failed",
        }
    }
}
