//! A GS1 text whose separators were lost: all the ways to read it, and what they agree on.
//!
//! Where a value of free length ends is not marked any more, so each place behind which another element could
//! stand is tried. Only the elements that drug packs carry side by side (GTIN, dates, lot, serial) are believed to
//! follow there, each once: else every serial with `91` in it would be in doubt. The work is bounded.

use super::element::{self, Elements, Shape};

/// How many elements are tried before a text counts as ambiguous. Printed packs need less than a hundred.
const STEPS_MAX: usize = 1_000;

/// What the readings of a text agree on.
pub(super) struct Agreed<'a> {
    /// The one identity, with the attributes that all readings share; `None` = several identities, or none found in time.
    pub elements: Option<Elements<'a>>,
    /// The GTIN of all readings.
    pub gtin: Option<&'a str>,
}

/// Tries every reading. `None` = no reading has a GTIN.
pub(super) fn agreed(text: &str) -> Option<Agreed<'_>> {
    let mut search = Search { found: None, steps_left: STEPS_MAX };
    search.walk(text, Path::default());
    let exhausted = search.steps_left == 0;
    search.found.map(|found| Agreed { elements: found.elements.filter(|_| !exhausted), ..found })
}

struct Search<'a> {
    found: Option<Agreed<'a>>,
    steps_left: usize,
}

/// The elements read so far.
#[derive(Clone, Copy, Default)]
struct Path<'a> {
    elements: Elements<'a>,
    /// One bit for each two-digit AI.
    seen: u128,
    /// The last value had free length: what follows is a guess.
    guessing: bool,
}

impl<'a> Path<'a> {
    /// The path with one more element; `None` where that cannot be.
    fn with(mut self, ai: &'a str, shape: Shape, value: &'a str) -> Option<Self> {
        let bit = ai.parse::<u32>().ok().filter(|_| ai.len() == 2).map_or(0, |n| 1 << n);
        if self.seen & bit != 0 {
            return None;
        }
        self.elements.put(ai, shape, value).ok()?;
        Some(Self { seen: self.seen | bit, guessing: !matches!(shape, Shape::Digits(_)), ..self })
    }
}

/// Whether an element is believed to follow a value without a separator.
fn is_plausible(ai: &str) -> bool {
    matches!(ai, "01" | "10" | "11" | "13" | "15" | "17" | "21")
}

impl<'a> Search<'a> {
    fn walk(&mut self, rest: &'a str, path: Path<'a>) {
        if rest.is_empty() {
            return self.keep(path.elements);
        }
        let Some((ai, shape, after)) = element::leading(rest) else {
            return;
        };
        if (path.guessing && !is_plausible(ai)) || self.steps_left == 0 {
            return;
        }
        self.steps_left -= 1;
        let (from, to) = match shape {
            Shape::Digits(count) => (count, count),
            Shape::Count(most) | Shape::Text(most) => (1, most.min(after.len())),
        };
        for end in from..=to {
            let next = after.split_at_checked(end);
            let Some((value, tail)) = next else { return };
            let Some(longer) = path.with(ai, shape, value) else {
                return;
            };
            self.walk(tail, longer);
        }
    }

    fn keep(&mut self, elements: Elements<'a>) {
        let Some(gtin) = elements.gtin else { return };
        self.found = Some(match self.found.take() {
            None => Agreed { elements: Some(elements), gtin: Some(gtin) },
            Some(before) => Agreed {
                gtin: before.gtin.filter(|known| *known == gtin),
                elements: before.elements.and_then(|known| common(known, elements)),
            },
        });
    }
}

/// One identity with the attributes that both readings share; `None` where the identities differ.
fn common<'a>(one: Elements<'a>, other: Elements<'a>) -> Option<Elements<'a>> {
    let same_identity = one.gtin == other.gtin && one.serial == other.serial;
    same_identity.then(|| Elements {
        lot: one.lot.filter(|lot| other.lot == Some(lot)),
        expires: one.expires.filter(|date| other.expires == Some(date)),
        ..one
    })
}
