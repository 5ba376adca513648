//! Reads the date-times that clients send. All of them mean China's clock unless they carry an offset.
//!
//! Knows forms of date-times only.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// China has had one clock and no summer time since 1991, and no sale is older.
const CHINA_SECONDS: i32 = 8 * 3600;

/// Clients whose clock is unset send years like 1, 1900 or 1970.
const YEARS: std::ops::RangeInclusive<i16> = 2000..=2099;

/// Reads `yyyy-MM-dd HH:mm:ss` and its relatives: without the blank, with `T`, with `/`, with a fraction or an
/// offset, without seconds, and 14 or 17 digits in one. The error says what is wrong.
pub(super) fn read_time(text: &str) -> Result<Timestamp, &'static str> {
    let text = text.trim();
    let (civil, offset) = match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => (read_digits(text)?, None),
        false => read_separated(text)?,
    };
    if !YEARS.contains(&civil.year()) {
        return Err("has a year outside 2000 to 2099");
    }
    let offset = Offset::from_seconds(offset.unwrap_or(CHINA_SECONDS)).map_err(|_| FORM)?;
    offset.to_timestamp(civil).map_err(|_| NO_SUCH_TIME)
}

const FORM: &str = "is not a date-time";
const NO_SUCH_TIME: &str = "names a day or a time that does not exist";
const NO_TIME: &str = "is a date without a time of day";

/// `yyyyMMddHHmmss`, or the same with milliseconds.
fn read_digits(text: &str) -> Result<DateTime, &'static str> {
    match text.len() {
        14 | 17 => {}
        8 => return Err(NO_TIME),
        _ => return Err(FORM),
    }
    let mut rest = Cursor { rest: text };
    let (year, month, day) = (rest.number(4, 4)?, rest.number(2, 2)?, rest.number(2, 2)?);
    let (hour, minute, second) = (rest.number(2, 2)?, rest.number(2, 2)?, rest.number(2, 2)?);
    civil([year, month, day, hour, minute, second], rest.fraction(rest.rest)?)
}

fn read_separated(text: &str) -> Result<(DateTime, Option<i32>), &'static str> {
    let mut rest = Cursor { rest: text };
    let year = rest.number(4, 4)?;
    let separator = rest.take(&['-', '/']).ok_or(FORM)?;
    let month = rest.number(1, 2)?;
    rest.take(&[separator]).ok_or(FORM)?;
    let day_start = rest.rest.len();
    let day = rest.number(1, 2)?;
    let day_width = day_start - rest.rest.len();
    if rest.rest.is_empty() {
        return Err(NO_TIME);
    }
    // Without anything between day and hour both need their two digits, or 108:15 could be read two ways.
    let gap = rest.gap();
    if !gap && day_width != 2 {
        return Err(FORM);
    }
    let hour = rest.number(if gap { 1 } else { 2 }, 2)?;
    rest.take(&[':']).ok_or(FORM)?;
    let minute = rest.number(2, 2)?;
    let second = match rest.take(&[':']) {
        Some(_) => rest.number(2, 2)?,
        None => 0,
    };
    let nanos = match rest.take(&['.', ',']) {
        Some(_) => rest.fraction_digits()?,
        None => 0,
    };
    Ok((civil([year, month, day, hour, minute, second], nanos)?, rest.offset()?))
}

fn civil(parts: [i16; 6], nanos: i32) -> Result<DateTime, &'static str> {
    let [year, rest @ ..] = parts;
    let [month, day, hour, minute, second] = rest.map(|part| i8::try_from(part).unwrap_or(i8::MAX));
    DateTime::new(year, month, day, hour, minute, second, nanos).map_err(|_| NO_SUCH_TIME)
}

struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    /// As many digits as there are, at least `min` and at most `max` (four).
    fn number(&mut self, min: usize, max: usize) -> Result<i16, &'static str> {
        let digits = self.digits(max);
        if digits.len() < min { Err(FORM) } else { digits.parse().map_err(|_| FORM) }
    }

    fn digits(&mut self, max: usize) -> &'a str {
        let count = self.rest.bytes().take(max).take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.rest.split_at_checked(count).unwrap_or(("", self.rest));
        self.rest = rest;
        digits
    }

    fn take(&mut self, wanted: &[char]) -> Option<char> {
        let first = self.rest.chars().next().filter(|first| wanted.contains(first))?;
        self.rest = self.rest.get(first.len_utf8()..)?;
        Some(first)
    }

    /// What stands between day and hour: blanks or a `T`.
    fn gap(&mut self) -> bool {
        let before = self.rest.len();
        self.rest = self.rest.trim_start();
        if self.rest.len() == before {
            return self.take(&['T', 't']).is_some();
        }
        true
    }

    fn fraction_digits(&mut self) -> Result<i32, &'static str> {
        let digits = self.digits(9);
        if digits.is_empty() { Err(FORM) } else { self.fraction(digits) }
    }

    /// Digits after the point as nanoseconds.
    fn fraction(&self, digits: &str) -> Result<i32, &'static str> {
        format!("{digits:0<9}").parse().map_err(|_| FORM)
    }

    /// `Z`, `+08:00`, `+0800`, or nothing; in seconds.
    fn offset(&mut self) -> Result<Option<i32>, &'static str> {
        self.rest = self.rest.trim_start();
        let offset = match self.take(&['Z', 'z', '+', '-']) {
            None => None,
            Some('Z' | 'z') => Some(0),
            Some(sign) => {
                let hours = i32::from(self.number(2, 2)?);
                self.take(&[':']);
                let seconds = (hours * 60 + i32::from(self.number(2, 2)?)) * 60;
                Some(if sign == '-' { -seconds } else { seconds })
            }
        };
        if self.rest.is_empty() { Ok(offset) } else { Err(FORM) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form_as_the_same_moment() {
        for text in [
            "2026-03-10 16:57:35",
            "2026-03-1016:57:35",
            "2026-03-10T16:57:35",
            "2026/03/10 16:57:35",
            "2026/3/10 16:57:35",
            " 2026-03-10  16:57:35 ",
            "20260310165735",
            "20260310165735000",
            "2026-03-10 16:57:35.000",
            "2026-03-10T16:57:35+08:00",
            "2026-03-10T08:57:35Z",
            "2026-03-10T03:57:35-0500",
        ] {
            let read = read_time(text).map(|moment| moment.to_string());
            assert_eq!(read, Ok("2026-03-10T08:57:35Z".to_owned()), "{text:?}");
        }
    }

    #[test]
    fn reads_short_forms_and_fractions() {
        let check = |text: &str, expected: &str| {
            assert_eq!(read_time(text).map(|moment| moment.to_string()), Ok(expected.to_owned()), "{text:?}");
        };
        check("2026/3/1 8:05", "2026-03-01T00:05:00Z");
        check("2026-03-10 00:00:00", "2026-03-09T16:00:00Z");
        check("20260310165735123", "2026-03-10T08:57:35.123Z");
        check("2026-03-10 16:57:35.5", "2026-03-10T08:57:35.5Z");
    }

    #[test]
    fn refuses_what_has_no_one_meaning() {
        let check = |text: &str, expected: &str| assert_eq!(read_time(text), Err(expected), "{text:?}");
        for text in ["2026-03-10", "2026/3/10", "20260310"] {
            check(text, NO_TIME);
        }
        for text in ["2026-02-30 10:00:00", "2026-13-01 10:00:00", "2026-03-10 24:00:00", "20260310166000"] {
            check(text, NO_SUCH_TIME);
        }
        for text in ["0001-01-01 00:00:00", "1970-01-01 08:00:00", "21000101000000"] {
            check(text, "has a year outside 2000 to 2099");
        }
        for text in [
            "",
            "now",
            "2026-03/10 16:57:35",
            "2026/3/108:17:27",
            "2026-03-10 16",
            "2026-03-10 16:57:35 x",
            "2026-03-10 16:57:35.",
            "2026-03-10 16:57:35+25",
            "2026-03-10 16:57:35+99:00",
            "10.03.2026 16:57",
            "1773132455",
            "２０２６-03-10 16:57:35",
        ] {
            check(text, FORM);
        }
    }
}
