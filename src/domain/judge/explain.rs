//! What would be done about a reason in a situation, and why: the rule that decides, and what holds for every
//! rule. Uses the same look-ups as the judgement itself, so that the two cannot tell different stories. Whether a
//! request *breaks* a rule is not asked here.

use super::bench::cap_of_payment;
use super::purchases::cap_before_go_live;
use super::quantity::is_listed_without_code;
use crate::domain::event::{Payment, Scene};
use crate::domain::party::{Institution, InstitutionKind};
use crate::domain::policy::{Candidate, Exemption, Policy, Ruling, Situation};
use crate::domain::registry::Registry;
use crate::domain::verdict::{DuplicateClass, Enforcement, Reason, named};

/// What is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The policy that is asked.
    pub policy: &'a Policy,
    /// The registry; only its no-code list is looked at.
    pub registry: &'a Registry,
    /// The institution, where the registry knows it.
    pub institution: Option<&'a Institution>,
    /// The line's catalogue code, where it is known.
    pub catalog_code: Option<&'a str>,
    /// Who, where, which drug, when.
    pub situation: Situation<'a>,
}

/// What would be done about one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained<'p> {
    /// The reason.
    pub reason: Reason,
    /// The class, for a duplicate.
    pub class: Option<DuplicateClass>,
    /// What a finding of that reason would carry; `off` = no such finding is raised.
    pub enforcement: Enforcement,
    /// What the policy's rules say.
    pub ruling: Ruling<'p>,
    /// What else has a say.
    pub remarks: Vec<Remark>,
}

named! {
    /// What has a say besides the rules.
    pub enum Remark {
        /// A self-paid line is reminded at most.
        SelfPaid = "self_paid",
        /// Before the go-live day purchase rules only observe.
        BeforeGoLive = "before_go_live",
        /// Before the go-live day PURCHASE_NOT_KNOWN_YET stands in the place of NOT_PURCHASED.
        NotKnownInstead = "not_known_instead",
        /// PURCHASE_NOT_KNOWN_YET is raised only where NOT_PURCHASED is not off.
        OnlyWithNotPurchased = "only_with_not_purchased",
        /// An exemption holds: no code is due.
        Exempt = "exempt",
        /// No exemption holds.
        NotExempt = "not_exempt",
        /// The drug is on the no-code list: no code is due.
        Listed = "listed",
        /// The drug is not on the no-code list.
        NotListed = "not_listed",
        /// Observed only, until more is drawn than the setting allows.
        UnknownUnitsCap = "unknown_units_cap",
        /// Judged for the document as a whole.
        WholeDocument = "whole_document",
        /// Raised on returns only.
        OnReturns = "on_returns",
        /// The answer is PENDING, whatever a rule says.
        AlwaysPending = "always_pending",
    }
}

impl Remark {
    /// One sentence, in Chinese.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::SelfPaid => "自费行最多提醒。",
            Self::BeforeGoLive => "机构上线日之前，采购规则只记录。",
            Self::NotKnownInstead => "机构上线日之前不报此项，改报“采购情况尚不明”。",
            Self::OnlyWithNotPurchased => "“无采购记录”规则未启用时不报此项。",
            Self::Exempt => "免于扫码，无需追溯码。",
            Self::NotExempt => "没有适用的免扫码规定，不报此项。",
            Self::Listed => "药品在无码库内，可以没有追溯码。",
            Self::NotListed => "药品不在无码库内，不报此项。",
            Self::UnknownUnitsCap => "拆零累计未超过设定数量时只记录。",
            Self::WholeDocument => "按整张单据判断：视为医保，不看药品与拆零，以判定当日为准。",
            Self::OnReturns => "仅用于退货；退货一律按医保、机构默认场景判断。",
            Self::AlwaysPending => "始终为待定，不受规则影响。",
        }
    }

    /// The same sentence in English.
    pub const fn en(self) -> &'static str {
        match self {
            Self::SelfPaid => "A self-paid line is reminded at most.",
            Self::BeforeGoLive => "Before the institution's go-live day purchase rules only observe.",
            Self::NotKnownInstead => {
                "Not raised before the institution's go-live day; PURCHASE_NOT_KNOWN_YET stands in its place."
            }
            Self::OnlyWithNotPurchased => "Raised only where NOT_PURCHASED is not off.",
            Self::Exempt => "Exempt from scanning: no code is due.",
            Self::NotExempt => "Not raised: no exemption holds.",
            Self::Listed => "On the no-code list: a code may be missing.",
            Self::NotListed => "Not raised: the drug is not on the no-code list.",
            Self::UnknownUnitsCap => "Only observed until more is drawn than split_unknown_units_cap.",
            Self::WholeDocument => {
                "Judged for the document as a whole: insured, no drug, no split, on the day of the decision."
            }
            Self::OnReturns => {
                "Raised on returns, which count as insured and in the institution's usual scene."
            }
            Self::AlwaysPending => "Always PENDING; no rule changes it.",
        }
    }
}

impl<'a> Question<'a> {
    /// What would be done about one reason.
    pub fn explain(&self, reason: Reason, class: Option<DuplicateClass>) -> Explained<'a> {
        let at = self.situation_of(reason);
        let ruling = self.policy.ruling(reason, class, &at);
        if reason == Reason::InDoubt {
            let remarks = vec![Remark::AlwaysPending];
            return Explained { reason, class, enforcement: Enforcement::Observe, ruling, remarks };
        }
        let mut enforcement = ruling.enforcement;
        let mut remarks = words_on(reason);
        for (remark, at_most) in self.caps(reason, &at) {
            if at_most < ruling.enforcement {
                remarks.push(remark);
                enforcement = enforcement.min(at_most);
            }
        }
        Explained { reason, class, enforcement, ruling, remarks }
    }

    /// What would be done about one reason or every one. Duplicates are told class by class, as they are raised.
    pub fn overview(&self, reason: Option<Reason>, class: Option<DuplicateClass>) -> Vec<Explained<'a>> {
        let rows = |reason: &Reason| {
            if *reason == Reason::Duplicate && class.is_none() {
                let of = |class: &DuplicateClass| self.explain(*reason, Some(*class));
                DuplicateClass::ALL.iter().map(of).collect()
            } else {
                vec![self.explain(*reason, class)]
            }
        };
        let asked = reason.as_ref().map_or(Reason::ALL, std::slice::from_ref);
        asked.iter().flat_map(rows).collect()
    }

    /// Every rule of a reason, and what keeps it from applying.
    pub fn candidates(&self, reason: Reason, class: Option<DuplicateClass>) -> Vec<Candidate<'a>> {
        self.policy.explain(reason, class, &self.situation_of(reason))
    }

    /// Why no code is due; `None` = one is due.
    pub fn exemption(&self) -> Option<&'a Exemption> {
        self.policy.exemption(&self.situation)
    }

    /// The situation in which the judge looks a reason up.
    fn situation_of(&self, reason: Reason) -> Situation<'a> {
        let at = self.situation;
        if is_about_the_document(reason) {
            return Situation { payment: Payment::Insured, drug: None, split: false, ..at };
        }
        if is_about_a_return(reason) {
            let scene = usual_scene(at.institution.kind);
            return Situation { payment: Payment::Insured, scene, ..at };
        }
        at
    }

    /// What no finding of a reason is stricter than, whatever the rules say.
    fn caps(&self, reason: Reason, at: &Situation<'_>) -> Vec<(Remark, Enforcement)> {
        let mut caps = vec![(Remark::SelfPaid, cap_of_payment(reason, at.payment))];
        caps.extend(self.purchase_caps(reason, at));
        caps.extend(self.code_caps(reason, at));
        caps
    }

    fn purchase_caps(&self, reason: Reason, at: &Situation<'_>) -> Vec<(Remark, Enforcement)> {
        let go_live = cap_before_go_live(self.institution, at.day);
        let mut caps = Vec::new();
        if reason == Reason::NotPurchased && go_live < Enforcement::Block {
            caps.push((Remark::NotKnownInstead, Enforcement::Off));
        }
        if matches!(reason, Reason::Oversold | Reason::PriceAboveListed | Reason::PurchaseNotKnownYet) {
            caps.push((Remark::BeforeGoLive, go_live));
        }
        if reason == Reason::PurchaseNotKnownYet {
            let not_purchased = self.policy.ruling(Reason::NotPurchased, None, at).enforcement;
            if not_purchased == Enforcement::Off {
                caps.push((Remark::OnlyWithNotPurchased, Enforcement::Off));
            }
        }
        caps
    }

    fn code_caps(&self, reason: Reason, at: &Situation<'_>) -> Vec<(Remark, Enforcement)> {
        let exempt = self.policy.exemption(at).is_some();
        let listed = |code| is_listed_without_code(self.registry, self.policy.settings(), code, at);
        let listed = self.catalog_code.map(listed);
        let missing_code = matches!(reason, Reason::NoCode | Reason::NoCodeListed);
        let mut caps = Vec::new();
        if exempt && (missing_code || reason == Reason::CodeCountMismatch) {
            caps.push((Remark::Exempt, Enforcement::Off));
        }
        if !exempt && reason == Reason::NoCodeExempt {
            caps.push((Remark::NotExempt, Enforcement::Off));
        }
        if !exempt && listed == Some(true) && reason == Reason::NoCode {
            caps.push((Remark::Listed, Enforcement::Off));
        }
        if listed == Some(false) && reason == Reason::NoCodeListed {
            caps.push((Remark::NotListed, Enforcement::Off));
        }
        if reason == Reason::PlaceholderCode && exempt {
            caps.push((Remark::Exempt, Enforcement::Observe));
        } else if reason == Reason::PlaceholderCode && listed == Some(true) {
            caps.push((Remark::Listed, Enforcement::Observe));
        }
        caps
    }
}

/// What a person has to know about a reason to read its row right.
fn words_on(reason: Reason) -> Vec<Remark> {
    let words = [
        (is_about_the_document(reason), Remark::WholeDocument),
        (is_about_a_return(reason), Remark::OnReturns),
        (reason == Reason::SplitUnitsUnknown, Remark::UnknownUnitsCap),
    ];
    words.into_iter().filter(|(holds, _)| *holds).map(|(_, remark)| remark).collect()
}

/// Reasons that the judge raises for the document as a whole.
fn is_about_the_document(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::InstitutionUnknown
            | Reason::InstitutionSuspended
            | Reason::EventTimeInFuture
            | Reason::EventTimeClamped
    )
}

fn is_about_a_return(reason: Reason) -> bool {
    matches!(reason, Reason::ReturnUnpaired | Reason::AlreadyReturned)
}

/// Where an institution of a kind hands out goods, where nobody says it.
pub const fn usual_scene(kind: InstitutionKind) -> Scene {
    match kind {
        InstitutionKind::Hospital => Scene::Outpatient,
        InstitutionKind::Pharmacy => Scene::Pharmacy,
    }
}
