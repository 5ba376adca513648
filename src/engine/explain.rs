//! Which rules apply to an institution, scene, payment, drug and day: what was asked, what was understood, and
//! the answer over the policy in force. Looks institutions and drugs up; the rules are looked up by the domain.

use super::{Engine, EngineError, Knowledge};
use crate::domain::drug::DrugClass;
use crate::domain::event::{Payment, Scene};
use crate::domain::judge::{Explained, Question, usual_scene};
use crate::domain::party::{Caller, Institution, InstitutionCode};
use crate::domain::policy::{
    Candidate, DrugTraits, Exemption, InstitutionTraits, Mismatch, Policy, ScopeField, Situation,
};
use crate::domain::time::day_of;
use crate::domain::verdict::{DuplicateClass, Reason};
use jiff::civil::Date;
use std::sync::Arc;

/// Most rules that are told of an asked reason.
const CANDIDATES_MAX: usize = 1_000;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyQuestion {
    /// Whom it is about.
    pub institution: AskedInstitution,
    /// Where; `None` = the usual scene of its kind.
    pub scene: Option<Scene>,
    /// Who pays.
    pub payment: Payment,
    /// Which drug.
    pub drug: AskedDrug,
    /// The line is split.
    pub split: bool,
    /// The day of the event; `None` = today.
    pub day: Option<Date>,
    /// The reason; `None` = every reason.
    pub reason: Option<Reason>,
    /// The class, for a duplicate.
    pub class: Option<DuplicateClass>,
}

/// Whom a question is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskedInstitution {
    /// One institution, as the registry knows it.
    Code(InstitutionCode),
    /// Any that is like this.
    Traits(InstitutionTraits),
}

/// Which drug a question is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskedDrug {
    /// One that is not known.
    NotKnown,
    /// By catalogue code.
    CatalogCode(String),
    /// By code prefix.
    CodePrefix(String),
    /// Any that is like this.
    Traits(UnderstoodDrug),
}

/// What rules ask about a drug.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnderstoodDrug {
    /// What kind of product it is.
    pub drug_class: DrugClass,
    /// Its dosage form, as the registry spells it.
    pub dosage_form: String,
    /// A hospital must split it to dispense it.
    pub must_split: bool,
}

impl<'a> From<&'a UnderstoodDrug> for DrugTraits<'a> {
    fn from(drug: &'a UnderstoodDrug) -> Self {
        Self { drug_class: drug.drug_class, dosage_form: &drug.dosage_form, must_split: drug.must_split }
    }
}

/// What a question came down to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Understood {
    /// The institution's code, where one was asked about.
    pub institution_code: Option<InstitutionCode>,
    /// What the registry knows of it; `None` = nothing, or traits were asked about.
    pub institution: Option<Institution>,
    /// What rules see of it.
    pub traits: InstitutionTraits,
    /// Where.
    pub scene: Scene,
    /// Who pays.
    pub payment: Payment,
    /// The catalogue code, where one was asked about or found.
    pub catalog_code: Option<String>,
    /// What rules see of the drug; `None` = not known.
    pub drug: Option<UnderstoodDrug>,
    /// The line is split.
    pub split: bool,
    /// The day.
    pub day: Date,
}

/// The answer, over what was in force when it was asked.
#[derive(Debug)]
pub struct Explanation {
    knowledge: Arc<Knowledge>,
    /// What the question came down to.
    pub understood: Understood,
    reason: Option<Reason>,
    class: Option<DuplicateClass>,
}

impl Engine {
    /// Which rules apply. An institution asks about itself, a bureau about its divisions.
    pub fn explain(&self, caller: &Caller, question: PolicyQuestion) -> Result<Explanation, EngineError> {
        match (&question.institution, caller) {
            (AskedInstitution::Code(code), _) => self.authorize(caller, *code)?,
            (AskedInstitution::Traits(_), Caller::Operator | Caller::Bureau(_)) => {}
            (AskedInstitution::Traits(_), Caller::Institution(_) | Caller::Chain(_) | Caller::Auditor) => {
                let what = "an institution asks about itself, by its code";
                return Err(EngineError::Denied(what.to_owned()));
            }
        }
        if question.class.is_some() && question.reason != Some(Reason::Duplicate) {
            let what = "only DUPLICATE has classes; ask with reason DUPLICATE";
            return Err(EngineError::invalid("class", what));
        }
        match &question.drug {
            AskedDrug::NotKnown => {}
            AskedDrug::CatalogCode(text) => self.limits.check_text("drug.catalog_code", Some(text))?,
            AskedDrug::CodePrefix(text) => self.limits.check_text("drug.code_prefix", Some(text))?,
            AskedDrug::Traits(drug) => {
                self.limits.check_text("drug.traits.dosage_form", Some(&drug.dosage_form))?;
            }
        }
        let knowledge = self.knowledge.get();
        let today = day_of(self.clock.now());
        let (reason, class) = (question.reason, question.class);
        let understood = understand(question, &knowledge, today);
        Ok(Explanation { knowledge, understood, reason, class })
    }
}

fn understand(asked: PolicyQuestion, knowledge: &Knowledge, today: Date) -> Understood {
    let registry = &knowledge.registry;
    let (institution_code, institution, traits) = match asked.institution {
        AskedInstitution::Traits(traits) => (None, None, traits),
        AskedInstitution::Code(code) => {
            let known = registry.institution(code).cloned();
            let traits = known.as_ref().map_or_else(|| code.into(), InstitutionTraits::from);
            (Some(code), known, traits)
        }
    };
    // By prefix or by catalogue code: the row that speaks for the product, as a judgement sees it.
    let product = |code: String| {
        let drug = registry.product(&code).map(|drug| UnderstoodDrug {
            drug_class: drug.drug_class,
            dosage_form: drug.dosage_form.clone(),
            must_split: drug.must_split,
        });
        (Some(code), drug)
    };
    let (catalog_code, drug) = match asked.drug {
        AskedDrug::NotKnown => (None, None),
        AskedDrug::Traits(drug) => (None, Some(drug)),
        AskedDrug::CatalogCode(code) => product(code),
        AskedDrug::CodePrefix(prefix) => {
            registry.drug(&prefix).map_or((None, None), |drug| product(drug.catalog_code.clone()))
        }
    };
    Understood {
        institution_code,
        institution,
        traits,
        scene: asked.scene.unwrap_or_else(|| usual_scene(traits.kind)),
        payment: asked.payment,
        catalog_code,
        drug,
        split: asked.split,
        day: asked.day.unwrap_or(today),
    }
}

impl Understood {
    /// The situation that rules are asked about.
    pub fn situation(&self) -> Situation<'_> {
        Situation {
            institution: self.traits,
            scene: self.scene,
            payment: self.payment,
            drug: self.drug.as_ref().map(DrugTraits::from),
            split: self.split,
            day: self.day,
        }
    }
}

impl Explanation {
    /// The policy that was asked.
    pub fn policy(&self) -> &Policy {
        &self.knowledge.policy
    }

    fn question(&self) -> Question<'_> {
        Question {
            policy: &self.knowledge.policy,
            registry: &self.knowledge.registry,
            institution: self.understood.institution.as_ref(),
            catalog_code: self.understood.catalog_code.as_deref(),
            situation: self.understood.situation(),
        }
    }

    /// What is done about the asked reason, or about each.
    pub fn rulings(&self) -> Vec<Explained<'_>> {
        self.question().overview(self.reason, self.class)
    }

    /// Every rule of the asked reason with what keeps it from applying, and how many are left out. Rules of other
    /// places are left out first.
    pub fn candidates(&self) -> (Vec<Candidate<'_>>, usize) {
        let Some(reason) = self.reason else {
            return (Vec::new(), 0);
        };
        let mut found = self.question().candidates(reason, self.class);
        let all = found.len();
        if all > CANDIDATES_MAX {
            found.retain(|c| c.mismatch != Some(Mismatch::Scope(ScopeField::DivisionPrefix)));
            found.truncate(CANDIDATES_MAX);
        }
        let left_out = all - found.len();
        (found, left_out)
    }

    /// Why no code is due; `None` = one is due.
    pub fn exemption(&self) -> Option<&Exemption> {
        self.question().exemption()
    }
}
