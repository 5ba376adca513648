//! One store of a size: filled, closed, opened again, and asked.

use super::CasesSettings;
use super::export::export;
use super::figures::{Growth, PageTime};
use super::fill::Filler;
use crate::scenarios::inside::{self, Kept, load_registry};
use crate::scenarios::progress;
use anyhow::{Context, Result, bail};
use jiff::civil::Date;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tracegate::clock::Stopwatch;
use tracegate::domain::access::Principal;
use tracegate::domain::case::{CaseClass, CaseState, GroupBy};
use tracegate::domain::party::{Caller, InstitutionCode};
use tracegate::domain::tally::{Counted, Month, Reminded, Tally, TallyBy, TallyKey};
use tracegate::domain::verdict::Reason;
use tracegate::engine::{CaseFilter, Engine, Keeping, Range, TallyFilter};
use tracegate::store::Change;
use tracegate::store::log::DiskFiles;

/// Cases of a page.
const PAGE_CASES: usize = 50;
/// The index is not saved.
const INDEX_SAVE_EVERY: Duration = Duration::from_secs(3600);
const MICROSECONDS: i64 = 1_000_000;
/// 2025-09-10 in Asia/Shanghai, and a day.
const A_DAY: (i64, i64) = (1_757_433_600, 86_400);

fn ms(watch: &Stopwatch) -> f64 {
    watch.elapsed().as_secs_f64() * 1e3
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

async fn open(folder: &Path) -> Result<(Arc<Engine>, Kept)> {
    let engine = inside::start(&folder.join("data"), Box::new(DiskFiles)).await?;
    let kept = Kept::start(&engine, Keeping { file: None, save_every: INDEX_SAVE_EVERY }).await?;
    Ok((engine, kept))
}

pub(super) async fn measure(cases: u64, settings: &CasesSettings) -> Result<Growth> {
    let (folder, _) = settings.world.room(true)?;
    let province = settings.world.province();
    province.write_to(folder.path())?;
    let institutions = province.institution_codes()?;
    let filler = Filler { institutions: &institutions, drugs: settings.world.drugs as u64, cases };
    let bar = progress(usize::try_from(cases)?);
    bar.set_message(format!("{cases} cases are put"));
    let watch = Stopwatch::start();
    let (engine, kept) = open(folder.path()).await?;
    load_registry(&engine, folder.path()).await?;
    filler.fill(engine.store().as_ref(), settings.events_per_case.saturating_sub(2), &bar).await?;
    kept.close(&engine).await?;
    drop(engine);
    let fill_seconds = watch.elapsed().as_secs_f64();
    bar.finish_and_clear();

    let (engine, kept) = open(folder.path()).await?;
    while !engine.knows_all_cases() {
        // signal: the list of cases is read by a task of the engine that tells nobody when it is done.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let listed = engine.list_cases(&Caller::Operator, CaseFilter::default(), None, PAGE_CASES).await?;
    if listed.cases.len() != PAGE_CASES {
        bail!("{} of {PAGE_CASES} cases are listed", listed.cases.len());
    }
    let pages = pages(&engine, settings, &institutions).await?;
    let (summary_ms, compliance_ms) = summaries(&engine, &institutions, settings).await?;
    let history_ms = histories(&engine, &filler, settings.repeats).await?;
    kept.close(&engine).await?;
    drop(engine);
    let exported = export(&settings.world.program()?, folder.path()).await?;
    Ok(Growth {
        cases,
        events: cases * settings.events_per_case,
        fill_seconds,
        complete_seconds: exported.complete_seconds,
        resident_mib: exported.resident_mib,
        pages,
        summary_ms,
        compliance_ms,
        history_ms,
        export_rows_per_second: exported.rows as f64 / exported.seconds,
        export_rows: exported.rows,
        export_mib: exported.mib,
    })
}

/// Filters that a clerk uses, from the widest to the narrowest.
fn filters(institutions: &[InstitutionCode], drugs: usize) -> Result<Vec<(&'static str, CaseFilter)>> {
    let institution = *institutions.get(institutions.len() / 2).context("an institution")?;
    let division = institution.division().to_string();
    let drug = format!("XA{:08}", drugs / 2);
    let day = Range { from: Some(A_DAY.0 * MICROSECONDS), to: Some((A_DAY.0 + A_DAY.1) * MICROSECONDS) };
    let amount = Range { from: Some(150_000), to: Some(150_100) };
    let any = CaseFilter::default;
    let long_gap = vec![CaseClass::OtherInstitutionLongGap];
    Ok(vec![
        ("everything", any()),
        ("a division", CaseFilter { division_prefix: Some(division.clone()), ..any() }),
        ("an institution", CaseFilter { institution: Some(institution), ..any() }),
        ("a class", CaseFilter { classes: long_gap.clone(), ..any() }),
        ("detected", CaseFilter { states: vec![CaseState::Detected], ..any() }),
        ("closed: none", CaseFilter { states: vec![CaseState::Closed], ..any() }),
        ("a drug", CaseFilter { catalog_code: Some(drug.clone()), ..any() }),
        ("a day of events", CaseFilter { occurred: day, ..any() }),
        ("a day of arrivals", CaseFilter { opened: day, ..any() }),
        ("a small span of amounts", CaseFilter { amount_fen: amount, ..any() }),
        (
            "class, drug, division, amount",
            CaseFilter {
                classes: long_gap,
                catalog_code: Some(drug),
                division_prefix: Some(division),
                amount_fen: Range { from: Some(100_000), to: None },
                ..any()
            },
        ),
    ])
}

async fn pages(
    engine: &Engine,
    settings: &CasesSettings,
    institutions: &[InstitutionCode],
) -> Result<Vec<PageTime>> {
    let mut pages = Vec::new();
    for (name, filter) in filters(institutions, settings.world.drugs)? {
        let mut times = Vec::new();
        for _ in 0..settings.repeats {
            let watch = Stopwatch::start();
            engine.list_cases(&Caller::Operator, filter.clone(), None, PAGE_CASES).await?;
            times.push(ms(&watch));
        }
        let groups = engine.summarize_cases(&Caller::Operator, filter, GroupBy::Class);
        let cases = groups.iter().map(|group| group.cases).sum();
        pages.push(PageTime { filter: name, cases, median_ms: median(times) });
    }
    Ok(pages)
}

/// A year by division: cases beside what was sold, and reminders. Each must have counted every sale.
async fn summaries(
    engine: &Engine,
    institutions: &[InstitutionCode],
    settings: &CasesSettings,
) -> Result<(f64, f64)> {
    let year = TallyFilter {
        first: Date::constant(2025, 6, 1),
        last: Date::constant(2026, 5, 31),
        division_prefix: None,
        institution: None,
        rule: None,
    };
    remind(engine, institutions, year.first).await?;
    let (mut cases, mut reminders) = (Vec::new(), Vec::new());
    for _ in 0..settings.repeats {
        let watch = Stopwatch::start();
        let filter = CaseFilter::default();
        let groups = engine.summarize_duplicates(&Caller::Operator, filter, GroupBy::Division).await?;
        cases.push(ms(&watch));
        if groups.iter().map(|group| group.sales).sum::<i64>() == 0 {
            bail!("no sale is counted");
        }
        let watch = Stopwatch::start();
        let (_, sum) = engine.summarize_compliance(&Caller::Operator, &year, TallyBy::Division).await?;
        reminders.push(ms(&watch));
        if sum.all.persons == 0 {
            bail!("no reminder is counted");
        }
    }
    Ok((median(cases), median(reminders)))
}

/// A reminder of each of four rules for each institution and day of the year.
async fn remind(engine: &Engine, institutions: &[InstitutionCode], first: Date) -> Result<()> {
    let rules = [None, Some(Reason::NoCode), Some(Reason::PrefixUnmapped), Some(Reason::Oversold)];
    let counted = Counted { reminders: 1, persons: 1, amount_fen: 1250 };
    let reminded = Reminded { all: counted, ..Reminded::default() };
    for institution in institutions {
        let mut tallies = Vec::new();
        let mut month = Month::of(first);
        for _ in 0..12 {
            let mut tally = Tally::default();
            for day in (1..=31).filter(|day| month.day(*day).is_some()) {
                rules.iter().for_each(|rule| tally.count_reminders(day, *rule, &reminded));
            }
            tallies.push((TallyKey { month, institution: *institution }, tally));
            month = month.next();
        }
        engine.store().commit(&Change { tallies, ..Change::default() }).await?;
    }
    Ok(())
}

async fn histories(engine: &Engine, filler: &Filler<'_>, repeats: u32) -> Result<f64> {
    let mut times = Vec::new();
    for n in 0..u64::from(repeats) {
        let key = filler.code(n * filler.cases / u64::from(repeats))?;
        let watch = Stopwatch::start();
        let history = engine.code_history(&Principal::OPERATOR, &key, "load-tests", "measured").await?;
        times.push(ms(&watch));
        if history.events.len() != 2 {
            bail!("{key} has {} events", history.events.len());
        }
    }
    Ok(median(times))
}
