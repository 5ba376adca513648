//! `policy check` and `policy explain`: rules for people.

use super::show::{say, table};
use crate::app::load_policy;
use crate::domain::drug::DrugClass;
use crate::domain::event::{Payment, Scene};
use crate::domain::party::{Division, InstitutionKind, Ownership};
use crate::domain::policy::{DrugTraits, InstitutionTraits, Policy, Situation};
use crate::domain::verdict::Reason;
use anyhow::{Result, anyhow};
use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::civil::Date;
use std::path::PathBuf;

/// Arguments of `policy`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tracegate policy check shijiazhuang.toml
  tracegate policy explain --kind pharmacy --division 130102")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check rule files as a whole, over the built-in rules; every mistake with file, line and reason.
    #[command(after_help = "Example:\n  tracegate policy check shijiazhuang.toml")]
    Check {
        /// Rule files (TOML), in order.
        files: Vec<PathBuf>,
    },
    /// Which rule applies to an institution, scene, payment, drug and day, and why.
    #[command(after_help = "Examples:
  tracegate policy explain --kind pharmacy --division 130102
  tracegate policy explain --kind hospital --division 130102 --reason NOT_PURCHASED --date 2025-09-04")]
    Explain(Box<Explain>),
}

#[derive(Debug, clap::Args)]
struct Explain {
    /// hospital or pharmacy.
    #[arg(long, value_parser = named(InstitutionKind::ALL, InstitutionKind::name, InstitutionKind::from_name))]
    kind: InstitutionKind,
    /// Six-digit division code.
    #[arg(long, value_parser = division)]
    division: Division,
    /// public or private.
    #[arg(long, default_value = "private", value_parser = named(Ownership::ALL, Ownership::name, Ownership::from_name))]
    ownership: Ownership,
    /// The day its agreement was signed.
    #[arg(long, value_name = "yyyy-MM-dd")]
    signed_on: Option<Date>,
    /// First day of the new regime for an existing agreement.
    #[arg(long, value_name = "yyyy-MM-dd")]
    transition_ends_on: Option<Date>,
    /// outpatient, inpatient or pharmacy [default: by kind].
    #[arg(long, value_parser = named(Scene::ALL, Scene::name, Scene::from_name))]
    scene: Option<Scene>,
    /// insured or self_paid.
    #[arg(long, default_value = "insured", value_parser = named(Payment::ALL, Payment::name, Payment::from_name))]
    payment: Payment,
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
    /// The day of the event.
    #[arg(long, default_value = "2026-01-01", value_name = "yyyy-MM-dd")]
    date: Date,
    /// Show every rule of this reason, and what kept it from applying.
    #[arg(long, value_parser = named(Reason::ALL, Reason::name, Reason::from_name))]
    reason: Option<Reason>,
    /// Rule files over the built-in ones.
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
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

pub(super) fn run(args: Args) -> Result<()> {
    match args.command {
        Command::Check { files } => {
            let policy = load_policy(&files).map_err(|e| anyhow!(e))?;
            let (rules, exemptions) = (policy.rules().len(), policy.exemptions().len());
            say(format!("valid: version {}, {rules} rules, {exemptions} exemptions", policy.version()))?;
            Ok(())
        }
        Command::Explain(explain) => {
            let policy = load_policy(&explain.policy).map_err(|e| anyhow!(e))?;
            let situation = explain.situation();
            say(format!("policy {}, {} on {}", policy.version(), situation.institution.kind, situation.day))?;
            match explain.reason {
                Some(reason) => candidates(&policy, reason, &situation)?,
                None => overview(&policy, &situation)?,
            }
            Ok(())
        }
    }
}

impl Explain {
    fn situation(&self) -> Situation<'_> {
        let by_kind = match self.kind {
            InstitutionKind::Hospital => Scene::Outpatient,
            InstitutionKind::Pharmacy => Scene::Pharmacy,
        };
        Situation {
            institution: InstitutionTraits {
                kind: self.kind,
                division: self.division,
                ownership: Some(self.ownership),
                agreement_signed_on: self.signed_on,
                transition_ends_on: self.transition_ends_on,
            },
            scene: self.scene.unwrap_or(by_kind),
            payment: self.payment,
            drug: Some(DrugTraits {
                drug_class: self.drug_class,
                dosage_form: &self.dosage_form,
                must_split: self.must_split,
            }),
            split: self.split,
            day: self.date,
        }
    }
}

/// What is done about every reason.
fn overview(policy: &Policy, situation: &Situation<'_>) -> Result<()> {
    let mut rows = table(["reason", "enforcement", "rule", "note"]);
    for reason in Reason::ALL {
        let ruling = policy.ruling(*reason, None, situation);
        let (source, note) = ruling.rule.map(|r| (r.source.to_string(), r.note.clone())).unwrap_or_default();
        rows.add_row([reason.name().to_owned(), ruling.enforcement.to_string(), source, note]);
    }
    say(rows)?;
    if let Some(exemption) = policy.exemption(situation) {
        say(format!(
            "no code is due: {} {} ({})",
            exemption.sentence_zh, exemption.sentence_en, exemption.source
        ))?;
    }
    Ok(())
}

/// Every rule of one reason, and what kept it from applying.
fn candidates(policy: &Policy, reason: Reason, situation: &Situation<'_>) -> Result<()> {
    let mut rows = table(["rule", "enforcement", "applies", "note"]);
    for candidate in policy.explain(reason, None, situation) {
        let applies = match candidate.mismatch {
            None if candidate.wins => "yes, and decides".to_owned(),
            None => "yes, but a more specific rule decides".to_owned(),
            Some(mismatch) => format!("no: {mismatch}"),
        };
        let rule = candidate.rule;
        rows.add_row([rule.source.to_string(), rule.enforcement.to_string(), applies, rule.note.clone()]);
    }
    say(rows)
}
