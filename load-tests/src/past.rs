//! Past sales of the generated province: what the counters sold in the half year before anything else happens. Must
//! not know the wire, any server, or who takes the rows in.
//!
//! Everything follows from numbers, and is made one document at a time: ten million rows take no memory.

use crate::province::{Province, Sale, Shape, pick, scattered};
use anyhow::{Context, Result};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use std::collections::VecDeque;
use std::path::Path;

/// The document that every past one is a part of: it reserves the codes.
const WHOLE: Shape = Shape { codes: 3, lines: 2 };
/// Codes of ten documents in a row: half of all have one box, and three in ten have two.
const CODES_OF_TEN: [u64; 10] = [1, 2, 1, 3, 1, 2, 1, 2, 1, 3];
const CODES_IN_TEN: u64 = 17;
/// 2025-01-01 00:00 in China; the sales lie before the province's purchases.
const BEGINS_AT_SECOND: i64 = 1_735_660_800;
const DAYS: u64 = 180;
const SECONDS_PER_DAY: u64 = 24 * 3600;
/// Shops are open from 8 to 21.
const OPENS_AT_SECOND: u64 = 8 * 3600;
const OPEN_SECONDS: u64 = 13 * 3600;
/// What comes back comes after three days, and stands among the sales of that day.
const BACK_AFTER_DAYS: u64 = 3;
const CHINA: Offset = Offset::constant(8);

/// One box that was sold, or came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastBox {
    /// The institution's code.
    pub institution: String,
    /// The document of the sale.
    pub document_no: String,
    /// The visit that it belongs to, where shops and hospitals write one down.
    pub visit_no: Option<String>,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// Line on the document, from 1.
    pub line: u32,
    /// The drug.
    pub catalog_code: String,
    /// What the scanner sent.
    pub code: String,
    /// It came back; otherwise it was sold.
    pub came_back: bool,
}

/// What past documents look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// As counters sell: half of all documents have one box, and no visit is written down.
    Counter,
    /// Three boxes, and a visit: the document that goals about memory speak of.
    Visits,
}

impl Manner {
    /// Codes of this document.
    fn codes(self, number: u64) -> u64 {
        match self {
            Self::Counter => pick(&CODES_OF_TEN, number).copied().unwrap_or(1),
            Self::Visits => WHOLE.codes as u64,
        }
    }

    /// Documents with so many codes in all.
    fn documents(self, codes: u64) -> u64 {
        match self {
            Self::Counter => (codes * 10).div_ceil(CODES_IN_TEN).max(1),
            Self::Visits => codes.div_ceil(WHOLE.codes as u64).max(1),
        }
    }
}

/// Past sales of exactly so many codes, spread evenly over half a year, in order of their days.
#[derive(Debug, Clone)]
pub struct PastSales<'p> {
    province: &'p Province,
    manner: Manner,
    returns_per_mille: u64,
    codes_left: u64,
    documents: u64,
    number: u64,
    rows: VecDeque<PastBox>,
}

impl<'p> PastSales<'p> {
    /// Of so many codes, each sold once. Of a thousand documents, so many are followed by a return of a box; where
    /// that would come after the last sale, it does not come.
    pub fn new(province: &'p Province, codes: u64, returns_per_mille: u64) -> Self {
        Self { returns_per_mille, ..Self::in_manner(province, codes, Manner::Counter) }
    }

    /// Of so many codes, each sold once, in documents of this kind.
    pub fn in_manner(province: &'p Province, codes: u64, manner: Manner) -> Self {
        let (documents, rows) = (manner.documents(codes), VecDeque::new());
        Self { province, manner, returns_per_mille: 0, codes_left: codes, documents, number: 0, rows }
    }

    /// The boxes of a document, all that it may have had.
    fn document(&self, number: u64) -> impl Iterator<Item = PastBox> + use<> {
        let Sale { institution, document_no, lines, .. } = self.province.sale(number, WHOLE);
        let codes = self.manner.codes(number);
        let visit_no = (self.manner == Manner::Visits).then(|| format!("MZ{number:014}"));
        let occurred_at = self.occurred_at(number);
        let boxes = (1..).zip(lines).flat_map(move |(line, sold)| {
            let (institution, document_no) = (institution.clone(), document_no.clone());
            let visit_no = visit_no.clone();
            sold.codes.into_iter().map(move |code| PastBox {
                institution: institution.clone(),
                document_no: document_no.clone(),
                visit_no: visit_no.clone(),
                occurred_at,
                line,
                catalog_code: sold.catalog_code.clone(),
                code,
                came_back: false,
            })
        });
        boxes.take(usize::try_from(codes).unwrap_or(1))
    }

    fn occurred_at(&self, number: u64) -> Timestamp {
        let day = (number * DAYS / self.documents).min(DAYS - 1);
        let second = day * SECONDS_PER_DAY + OPENS_AT_SECOND + scattered(number) % OPEN_SECONDS;
        moment(second)
    }

    /// The return that falls on the day of this document, if one does.
    fn came_back(&self, number: u64) -> Option<PastBox> {
        let sold = number.checked_sub((self.documents * BACK_AFTER_DAYS / DAYS).max(1))?;
        // Not the bits that chose the institution.
        if (scattered(sold) >> 40) % 1000 >= self.returns_per_mille {
            return None;
        }
        let box_sold = self.document(sold).next()?;
        let later = i64::try_from(BACK_AFTER_DAYS * SECONDS_PER_DAY).ok()?;
        let occurred_at = Timestamp::from_second(box_sold.occurred_at.as_second() + later).ok()?;
        Some(PastBox { occurred_at, came_back: true, ..box_sold })
    }
}

impl Iterator for PastSales<'_> {
    type Item = PastBox;

    fn next(&mut self) -> Option<PastBox> {
        if self.rows.is_empty() && self.codes_left > 0 {
            let left = usize::try_from(self.codes_left).unwrap_or(usize::MAX);
            self.rows.extend(self.document(self.number).take(left));
            self.codes_left -= self.rows.len() as u64;
            self.rows.extend(self.came_back(self.number));
            self.number += 1;
        }
        self.rows.pop_front()
    }
}

fn moment(second: u64) -> Timestamp {
    let second = i64::try_from(second).unwrap_or_default();
    Timestamp::from_second(BEGINS_AT_SECOND + second).unwrap_or_default()
}

/// Writes them as the file that `tracegate import sales` reads; gives the number of its rows. Files of shops that
/// take nothing back have no kind of row, and those that write down no visits have no column for them.
pub fn write(path: &Path, sales: PastSales<'_>) -> Result<u64> {
    let said = || format!("{} cannot be written", path.display());
    let mut writer = csv::Writer::from_path(path).with_context(said)?;
    let (has_kind, has_visit) = (sales.returns_per_mille > 0, sales.manner == Manner::Visits);
    let columns = ["institution_code", "document_no", "occurred_at", "line_no", "catalog_code", "code"];
    let more = [has_kind.then_some("kind"), has_visit.then_some("visit_no")];
    writer.write_record(columns.into_iter().chain(more.into_iter().flatten()))?;
    let mut rows = 0;
    for row in sales {
        let local: DateTime = CHINA.to_datetime(row.occurred_at);
        let (at, line) = (format!("{} {}", local.date(), local.time()), row.line.to_string());
        let kind = if row.came_back { "return" } else { "sale" };
        let cells = [&row.institution, &row.document_no, &at, &line, &row.catalog_code, &row.code];
        let cells = cells.into_iter().map(String::as_str);
        let more = [has_kind.then_some(kind), row.visit_no.as_deref()];
        writer.write_record(cells.chain(more.into_iter().flatten())).with_context(said)?;
        rows += 1;
    }
    writer.flush().with_context(said)?;
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, HashSet};
    use tracegate::cli::files::{PastRow, read_rows};

    #[test]
    fn exactly_so_many_codes_are_sold_and_each_once() {
        let province = Province::new(50, 20);
        let check = |codes: u64| {
            let rows: Vec<_> = PastSales::new(&province, codes, 0).collect();
            let seen: HashSet<_> = rows.iter().map(|row| &row.code).collect();
            assert_eq!((rows.len() as u64, seen.len() as u64), (codes, codes));
            assert!(rows.iter().all(|row| !row.came_back));
        };
        for codes in [1, 2, 3, 17, 18, 20_000] {
            check(codes);
        }
    }

    #[test]
    fn a_code_of_the_past_is_no_code_of_the_counter() {
        let province = Province::new(50, 20);
        let past: HashSet<_> = PastSales::new(&province, 20_000, 0).map(|row| row.code).collect();
        for number in (1_000_000_000..1_000_010_000).chain(2_000_000_000..2_000_010_000) {
            let lines = province.sale(number, Shape { codes: 3, lines: 2 }).lines;
            assert!(lines.iter().flat_map(|line| &line.codes).all(|code| !past.contains(code)), "{number}");
        }
    }

    #[test]
    fn they_are_spread_as_sales_are() {
        let province = Province::new(50, 20);
        let rows: Vec<_> = PastSales::new(&province, 20_000, 0).collect();
        let count = |of: fn(&PastBox) -> String| rows.iter().map(of).collect::<HashSet<_>>().len();
        assert_eq!(count(|row| row.institution.clone()), 50);
        assert_eq!(count(|row| row.catalog_code.clone()), 20);
        assert_eq!(count(|row| CHINA.to_datetime(row.occurred_at).date().to_string()), 180);
        let days = rows.iter().map(|row| CHINA.to_datetime(row.occurred_at).date());
        assert!(days.is_sorted(), "a history goes from day to day");
        let mut documents = BTreeMap::<&str, usize>::new();
        rows.iter().for_each(|row| *documents.entry(&row.document_no).or_default() += 1);
        let share = |codes: usize| {
            documents.values().filter(|count| **count == codes).count() * 100 / documents.len()
        };
        assert!((49..=51).contains(&share(1)) && (29..=31).contains(&share(2)), "{} {}", share(1), share(2));
        assert!((19..=21).contains(&share(3)), "{}", share(3));
    }

    #[test]
    fn a_document_of_visits_has_three_boxes_and_one_visit() {
        let province = Province::new(50, 20);
        let rows: Vec<_> = PastSales::in_manner(&province, 20_000, Manner::Visits).collect();
        assert_eq!(rows.len(), 20_000);
        let mut documents = BTreeMap::<_, Vec<&str>>::new();
        for row in &rows {
            let visit = row.visit_no.as_deref().expect("a visit");
            documents.entry((&row.institution, &row.document_no)).or_default().push(visit);
        }
        assert_eq!(documents.len(), 6667);
        assert_eq!(documents.values().filter(|visits| visits.len() == 3).count(), 6666);
        assert!(documents.values().all(|visits| visits.iter().all(|visit| *visit == visits[0])));
    }

    #[test]
    fn what_comes_back_was_sold_three_days_before() {
        let province = Province::new(50, 20);
        let rows: Vec<_> = PastSales::new(&province, 20_000, 20).collect();
        let (back, sold): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.came_back);
        assert_eq!(sold.len(), 20_000);
        // Of about 11,765 documents.
        assert!((180..=290).contains(&back.len()), "{}", back.len());
        for row in back {
            let sale = sold.iter().find(|sale| sale.code == row.code).expect("it was sold");
            assert_eq!((&sale.document_no, &sale.institution), (&row.document_no, &row.institution));
            let seconds = row.occurred_at.as_second() - sale.occurred_at.as_second();
            assert_eq!(seconds, 3 * 24 * 3600);
        }
    }

    #[test]
    fn the_file_is_the_one_that_import_sales_reads() {
        let folder = tempfile::tempdir().unwrap();
        let (path, province) = (folder.path().join("sales.csv"), Province::new(50, 20));
        let check = |sales: PastSales<'_>| {
            let rows = write(&path, sales.clone()).unwrap();
            let read: Vec<_> = read_rows::<PastRow>(std::fs::File::open(&path).unwrap())
                .unwrap()
                .map(|row| row.unwrap().0)
                .collect();
            assert_eq!(read.len() as u64, rows);
            for (row, made) in read.iter().zip(sales) {
                assert_eq!((&row.scanned, row.occurred_at), (&made.code, made.occurred_at));
                assert_eq!((row.institution.to_string(), row.came_back), (made.institution, made.came_back));
                assert_eq!((row.line, row.catalog_code.clone()), (made.line, Some(made.catalog_code)));
                assert_eq!((&row.document_no, &row.visit_no), (&Some(made.document_no), &made.visit_no));
            }
            read.iter().filter(|row| row.came_back).count()
        };
        assert_eq!(check(PastSales::new(&province, 3000, 0)), 0);
        assert!(check(PastSales::new(&province, 3000, 100)) > 100);
        assert_eq!(check(PastSales::in_manner(&province, 3000, Manner::Visits)), 0);
    }
}
