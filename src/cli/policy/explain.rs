//! `policy explain`: which rule applies and why; from files, or from what a gateway has in force.

use super::told::{CandidateRow, RulingRow, Shown, Words, applies, print};
use super::{class, enforcement, place, reason, refused};
use crate::app::load_policy;
use crate::cli::connect::Clients;
use crate::cli::credentials::Credentials;
use crate::cli::show::say;
use crate::domain::drug::DrugClass;
use crate::domain::event::{Payment, Scene};
use crate::domain::judge::{Question, Remark, usual_scene};
use crate::domain::party::{Division, InstitutionKind, Ownership};
use crate::domain::policy::{DrugTraits, InstitutionTraits, Policy, Situation};
use crate::domain::registry::Registry;
use crate::domain::verdict::{DuplicateClass, Reason};
use crate::grpc::pb;
use anyhow::{Context, Result, anyhow};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::civil::Date;
use std::path::PathBuf;

/// The day that files are asked about where nobody names one.
const DAY_OFFLINE: Date = Date::constant(2026, 1, 1);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A running gateway to ask.
    #[arg(long, visible_alias = "gateway", value_name = "ADDRESS")]
    to: Option<String>,
    #[command(flatten)]
    credentials: Credentials,
    /// An institution that the gateway knows, instead of a description.
    #[arg(long, value_name = "CODE", requires = "to")]
    institution: Option<String>,
    /// hospital or pharmacy.
    #[arg(long, required_unless_present = "institution", conflicts_with = "institution",
          value_parser = named(InstitutionKind::ALL, InstitutionKind::name, InstitutionKind::from_name))]
    kind: Option<InstitutionKind>,
    /// Six-digit division code.
    #[arg(long, required_unless_present = "institution", conflicts_with = "institution", value_parser = division)]
    division: Option<Division>,
    /// public or private.
    #[arg(long, default_value = "private", conflicts_with = "institution",
          value_parser = named(Ownership::ALL, Ownership::name, Ownership::from_name))]
    ownership: Ownership,
    /// The day its agreement was signed.
    #[arg(long, value_name = "yyyy-MM-dd", conflicts_with = "institution")]
    signed_on: Option<Date>,
    /// First day of the new regime for an existing agreement.
    #[arg(long, value_name = "yyyy-MM-dd", conflicts_with = "institution")]
    transition_ends_on: Option<Date>,
    /// outpatient, inpatient or pharmacy [default: by kind].
    #[arg(long, value_parser = named(Scene::ALL, Scene::name, Scene::from_name))]
    scene: Option<Scene>,
    /// insured or self_paid.
    #[arg(long, default_value = "insured", value_parser = named(Payment::ALL, Payment::name, Payment::from_name))]
    payment: Payment,
    /// A drug that the gateway knows, by catalogue code or code prefix, instead of a description.
    #[arg(long, value_name = "CODE", requires = "to", conflicts_with_all = ["drug_class", "dosage_form", "must_split"])]
    drug: Option<String>,
    /// Product class, such as western.
    #[arg(long, default_value = "western", value_parser = named(DrugClass::ALL, DrugClass::name, DrugClass::from_name))]
    drug_class: DrugClass,
    /// Dosage form.
    #[arg(long, default_value = "tablet")]
    dosage_form: String,
    /// The drug must be split to be dispensed.
    #[arg(long)]
    must_split: bool,
    /// The line is split.
    #[arg(long)]
    split: bool,
    /// The day of the event [default: today; without --to 2026-01-01].
    #[arg(long, value_name = "yyyy-MM-dd")]
    date: Option<Date>,
    /// Show every rule of this reason, and what kept it from applying.
    #[arg(long, value_parser = named(Reason::ALL, Reason::name, Reason::from_name))]
    reason: Option<Reason>,
    /// A class of duplicates, with --reason DUPLICATE.
    #[arg(long, requires = "reason",
          value_parser = named(DuplicateClass::ALL, DuplicateClass::name, DuplicateClass::from_name))]
    class: Option<DuplicateClass>,
    /// Rule files over the built-in ones.
    #[arg(long, value_name = "FILE", conflicts_with = "to")]
    policy: Vec<PathBuf>,
    /// One JSON object instead of tables.
    #[arg(long)]
    json: bool,
}

/// A parser of one of the trade's names; the help lists them.
fn named<T: Copy + Send + Sync + 'static>(
    all: &[T],
    name: fn(T) -> &'static str,
    read: fn(&str) -> Option<T>,
) -> impl TypedValueParser<Value = T> {
    let names: Vec<&'static str> = all.iter().map(|value| name(*value)).collect();
    PossibleValuesParser::new(names).try_map(move |text| read(&text).ok_or("not a name"))
}

fn division(text: &str) -> Result<Division, String> {
    Division::parse(text).ok_or_else(|| "write six digits".to_owned())
}

pub(super) async fn run(args: Args) -> Result<()> {
    let shown = match &args.to {
        Some(address) => ask(address, &args).await?,
        None => {
            let policy = load_policy(&args.policy).map_err(|e| anyhow!(e))?;
            of_files(&args, &policy)?
        }
    };
    if args.json { say(serde_json::to_string(&shown)?) } else { print(&shown, args.reason) }
}

fn of_files(args: &Args, policy: &Policy) -> Result<Shown> {
    let situation = args.situation()?;
    let registry = Registry::default();
    let question = Question { policy, registry: &registry, institution: None, catalog_code: None, situation };
    let ruling = |e: &crate::domain::judge::Explained<'_>| {
        let words = |r: &Remark| format!("{} {}", r.zh(), r.en());
        RulingRow {
            reason: e.reason.name(),
            class: e.class.map(DuplicateClass::name).unwrap_or_default(),
            enforcement: e.enforcement.to_string(),
            ruled: e.ruling.enforcement.to_string(),
            rule: e.ruling.rule.map(|r| r.source.to_string()).unwrap_or_default(),
            note: e.ruling.rule.map(|r| r.note.clone()).unwrap_or_default(),
            remark: e.remarks.iter().map(words).collect::<Vec<_>>().join(" "),
        }
    };
    let found = args.reason.map(|reason| question.candidates(reason, args.class)).unwrap_or_default();
    let candidate = |c: &crate::domain::policy::Candidate<'_>| CandidateRow {
        rule: c.rule.source.to_string(),
        enforcement: c.rule.enforcement.to_string(),
        applies: applies(c.mismatch.map(|m| m.name()).unwrap_or_default(), c.wins),
        note: c.rule.note.clone(),
    };
    let Situation { institution, scene, payment, day, split, .. } = situation;
    Ok(Shown {
        policy_version: policy.version().to_string(),
        understood: Vec::from([
            ("kind", institution.kind.to_string()),
            ("division", institution.division.to_string()),
            ("scene", scene.to_string()),
            ("payment", payment.to_string()),
            ("drug_class", args.drug_class.to_string()),
            ("dosage_form", args.dosage_form.clone()),
            ("split", split.to_string()),
            ("day", day.to_string()),
        ]),
        rulings: question.overview(args.reason, args.class).iter().map(ruling).collect(),
        candidates: found.iter().map(candidate).collect(),
        candidates_left_out: 0,
        exemption: question
            .exemption()
            .map(|e| format!("{} {} ({})", e.sentence_zh, e.sentence_en, e.source)),
    })
}

impl Args {
    fn situation(&self) -> Result<Situation<'_>> {
        let kind = self.kind.context("say --kind, or name an --institution of a gateway")?;
        let division = self.division.context("say --division, or name an --institution of a gateway")?;
        Ok(Situation {
            institution: InstitutionTraits {
                kind,
                division,
                ownership: Some(self.ownership),
                agreement_signed_on: self.signed_on,
                transition_ends_on: self.transition_ends_on,
            },
            scene: self.scene.unwrap_or_else(|| usual_scene(kind)),
            payment: self.payment,
            drug: Some(DrugTraits {
                drug_class: self.drug_class,
                dosage_form: &self.dosage_form,
                must_split: self.must_split,
            }),
            split: self.split,
            day: self.date.unwrap_or(DAY_OFFLINE),
        })
    }

    fn request(&self) -> Result<pb::ExplainRequest> {
        use pb::explain_request::{Drug, Institution};
        let text = |date: Option<Date>| date.map(|d| d.to_string()).unwrap_or_default();
        let institution = match &self.institution {
            Some(code) => Institution::InstitutionCode(code.clone()),
            None => {
                let traits = self.situation()?.institution;
                Institution::InstitutionTraits(pb::InstitutionTraits {
                    kind: traits.kind.to_string(),
                    division: traits.division.to_string(),
                    ownership: self.ownership.to_string(),
                    agreement_signed_on: text(self.signed_on),
                    transition_ends_on: text(self.transition_ends_on),
                })
            }
        };
        let is_prefix = |code: &str| matches!(code.len(), 7 | 14) && code.bytes().all(|b| b.is_ascii_digit());
        let drug = match &self.drug {
            Some(code) if is_prefix(code) => Drug::CodePrefix(code.clone()),
            Some(code) => Drug::CatalogCode(code.clone()),
            None => Drug::DrugTraits(pb::DrugTraits {
                drug_class: self.drug_class.to_string(),
                dosage_form: self.dosage_form.clone(),
                must_split: self.must_split,
            }),
        };
        let scene = self.scene.map(|scene| match scene {
            Scene::Outpatient => pb::Scene::Outpatient,
            Scene::Inpatient => pb::Scene::Inpatient,
            Scene::Pharmacy => pb::Scene::Pharmacy,
        });
        let payment = match self.payment {
            Payment::Insured => pb::Payment::Insured,
            Payment::SelfPaid => pb::Payment::SelfPaid,
        };
        let reason = self.reason.and_then(|r| pb::Reason::from_str_name(&format!("REASON_{r}")));
        let class =
            self.class.and_then(|c| pb::DuplicateClass::from_str_name(&format!("DUPLICATE_CLASS_{c}")));
        Ok(pb::ExplainRequest {
            institution: Some(institution),
            scene: scene.unwrap_or_default().into(),
            payment: payment.into(),
            drug: Some(drug),
            split: self.split,
            day: text(self.date),
            reason: reason.unwrap_or_default().into(),
            class: class.unwrap_or_default().into(),
        })
    }
}

async fn ask(address: &str, args: &Args) -> Result<Shown> {
    let request = args.request()?;
    let mut clients = Clients::connect(address, &args.credentials).await?;
    let answer = clients.policy.explain(request).await.map_err(|status| refused(&status))?.into_inner();
    let ruling = |r: &pb::ReasonRuling| RulingRow {
        reason: reason(r.reason()),
        class: class(r.class()),
        enforcement: enforcement(r.enforcement()),
        ruled: enforcement(r.ruled()),
        rule: r.rule.as_ref().map(place).unwrap_or_default(),
        note: r.rule.as_ref().map(|rule| rule.note.clone()).unwrap_or_default(),
        remark: format!("{} {}", r.remark_zh, r.remark_en).trim().to_owned(),
    };
    let candidate = |c: &pb::RuleCandidate| {
        let rule = c.rule.clone().unwrap_or_default();
        CandidateRow {
            rule: place(&rule),
            enforcement: enforcement(rule.enforcement()),
            applies: applies(&c.mismatch, c.decides),
            note: rule.note,
        }
    };
    Ok(Shown {
        policy_version: answer.policy_version,
        rulings: answer.rulings.iter().map(ruling).collect(),
        candidates: answer.candidates.iter().map(candidate).collect(),
        candidates_left_out: answer.candidates_left_out,
        exemption: answer
            .exemption
            .map(|e| format!("{} {} ({}:{})", e.sentence_zh, e.sentence_en, e.source_file, e.source_line)),
        understood: understood(answer.understood.unwrap_or_default()),
    })
}

/// What the gateway understood; what it does not know is left out.
fn understood(u: pb::Understood) -> Words {
    let registered =
        if u.institution_code.is_empty() { String::new() } else { u.institution_registered.to_string() };
    let words = [
        ("institution", u.institution_code),
        ("registered", registered),
        ("name", u.institution_name),
        ("status", u.institution_status),
        ("goes_live_on", u.goes_live_on),
        ("kind", u.kind),
        ("division", u.division),
        ("ownership", u.ownership),
        ("signed_on", u.agreement_signed_on),
        ("transition_ends_on", u.transition_ends_on),
        ("agreement", u.agreement),
        ("transition", u.transition),
        ("coaching", u.coaching),
        ("scene", u.scene),
        ("payment", u.payment),
        ("catalog_code", u.catalog_code),
        ("drug_known", u.drug_known.to_string()),
        ("drug_class", u.drug_class),
        ("dosage_form", u.dosage_form),
        ("must_split", u.must_split.to_string()),
        ("split", u.split.to_string()),
        ("day", u.day),
    ];
    words.into_iter().filter(|(_, word)| !word.is_empty()).collect()
}
