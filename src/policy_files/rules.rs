//! Reads one `[[rule]]` or `[[exemption]]`.

use super::table::{FileReader, Table};
use crate::domain::drug::DrugClass;
use crate::domain::event::{Payment, Scene};
use crate::domain::party::{InstitutionKind, Ownership};
use crate::domain::policy::{
    AgreementStatus, DivisionPrefix, Exemption, Period, Rule, RuleSource, Scope, ScopeField,
};
use crate::domain::verdict::{DuplicateClass, Enforcement, Reason};
use jiff::civil::Date;
use toml::de::DeTable;

const RULE_KEYS: [&str; 4] = ["reason", "class", "enforcement", "note"];
const EXEMPTION_KEYS: [&str; 3] = ["name", "sentence_zh", "sentence_en"];
const DATE_KEYS: [&str; 2] = ["valid_from", "valid_to"];

/// `None` where something is wrong with it, which is then noted in `file`.
pub(super) fn read_rule(file: &mut FileReader, entries: &DeTable<'_>, line: usize) -> Option<Rule> {
    whole(file, |file| {
        let source = RuleSource { file: file.name().to_owned(), line };
        let mut table = Table::new(file, "[[rule]]", entries, line);
        refuse_unknown_keys(&mut table, &RULE_KEYS);
        let scope = read_scope(&mut table);
        let (valid_from, valid_to) = read_dates(&mut table);
        let enforcement = table.required_choice("enforcement", Enforcement::ALL, Enforcement::name);
        let note = table.text("note").map_or("", |(note, _)| note).to_owned();
        let (reason, class) = read_reason(&mut table);
        let (enforcement, _) = enforcement?;
        Some(Rule { reason: reason?, class, scope, valid_from, valid_to, enforcement, note, source })
    })
}

/// `None` where something is wrong with it, which is then noted in `file`.
pub(super) fn read_exemption(file: &mut FileReader, entries: &DeTable<'_>, line: usize) -> Option<Exemption> {
    whole(file, |file| {
        let source = RuleSource { file: file.name().to_owned(), line };
        let mut table = Table::new(file, "[[exemption]]", entries, line);
        refuse_unknown_keys(&mut table, &EXEMPTION_KEYS);
        let scope = read_scope(&mut table);
        let (valid_from, valid_to) = read_dates(&mut table);
        let mut text = |key| table.required_text(key).map(|(text, _)| text.to_owned());
        let (name, sentence_zh, sentence_en) = (text("name"), text("sentence_zh"), text("sentence_en"));
        Some(Exemption {
            name: name?,
            sentence_zh: sentence_zh?,
            sentence_en: sentence_en?,
            scope,
            valid_from,
            valid_to,
            source,
        })
    })
}

/// Only what was read without any mistake counts. In a file with syntax errors nothing does: a rule
/// that lost a line of its scope would contradict others that it should not meet.
fn whole<T>(file: &mut FileReader, read: impl FnOnce(&mut FileReader) -> Option<T>) -> Option<T> {
    let before = file.errors_so_far();
    let read = read(file);
    read.filter(|_| file.errors_so_far() == before && !file.is_broken())
}

fn refuse_unknown_keys(table: &mut Table<'_, '_, '_>, own: &[&str]) {
    let scope: Vec<_> = ScopeField::ALL.iter().map(|field| field.name()).collect();
    table.refuse_unknown_keys(&[own, &DATE_KEYS, &scope]);
}

fn read_reason(table: &mut Table<'_, '_, '_>) -> (Option<Reason>, Option<DuplicateClass>) {
    let reason = table.required_choice("reason", Reason::ALL, Reason::name);
    if let Some((Reason::InDoubt, line)) = reason {
        table.refuse(line, "IN_DOUBT is not a rule: it says that nothing is decided yet; remove this entry");
    }
    let class = table.choice("class", DuplicateClass::ALL, DuplicateClass::name);
    if let (Some((reason, _)), Some((_, line))) = (reason, class)
        && reason != Reason::Duplicate
    {
        table.refuse(line, format!("{reason} has no classes, only DUPLICATE has; remove class"));
    }
    (reason.map(|(reason, _)| reason), class.map(|(class, _)| class))
}

fn read_dates(table: &mut Table<'_, '_, '_>) -> (Option<Date>, Option<Date>) {
    let from = table.date("valid_from").map(|(from, _)| from);
    let Some((to, line)) = table.date("valid_to") else {
        return (from, None);
    };
    if let Some(from) = from.filter(|from| to < *from) {
        table.refuse(line, format!("valid_to {to} lies before valid_from {from}"));
    }
    (from, Some(to))
}

fn read_scope(table: &mut Table<'_, '_, '_>) -> Scope {
    Scope {
        division_prefix: read_division_prefix(table),
        kind: first(table.choice(ScopeField::Kind.name(), InstitutionKind::ALL, InstitutionKind::name)),
        ownership: first(table.choice(ScopeField::Ownership.name(), Ownership::ALL, Ownership::name)),
        agreement: first(table.choice(
            ScopeField::Agreement.name(),
            AgreementStatus::ALL,
            AgreementStatus::name,
        )),
        transition: first(table.choice(ScopeField::Transition.name(), Period::ALL, Period::name)),
        coaching: first(table.choice(ScopeField::Coaching.name(), Period::ALL, Period::name)),
        scene: first(table.choice(ScopeField::Scene.name(), Scene::ALL, Scene::name)),
        payment: first(table.choice(ScopeField::Payment.name(), Payment::ALL, Payment::name)),
        drug_class: first(table.choice(ScopeField::DrugClass.name(), DrugClass::ALL, DrugClass::name)),
        dosage_form: first(table.filled_text(ScopeField::DosageForm.name())).map(str::to_owned),
        must_split: table.flag(ScopeField::MustSplit.name()),
        split: table.flag(ScopeField::Split.name()),
    }
}

fn first<T>(found: Option<(T, usize)>) -> Option<T> {
    found.map(|(value, _)| value)
}

fn read_division_prefix(table: &mut Table<'_, '_, '_>) -> DivisionPrefix {
    let Some((text, line)) = table.text(ScopeField::DivisionPrefix.name()) else {
        return DivisionPrefix::default();
    };
    DivisionPrefix::parse(text).unwrap_or_else(|error| {
        table.refuse(line, error.to_string());
        DivisionPrefix::default()
    })
}
