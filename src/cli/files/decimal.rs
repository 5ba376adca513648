//! Reads a decimal number exactly or not at all.
//!
//! Quantities and prices decide over money, so nothing is rounded: a number that does not fit is refused.
//! Knows nothing of files, messages or the trade.

use rust_decimal::Decimal;
use std::str::FromStr;

/// The most digits a number may have, before and after the point together.
pub(crate) const DIGITS_MAX: usize = 28;

/// Why a text is not taken as a decimal number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecimalProblem {
    /// Something other than a sign, digits, one point and an exponent.
    #[error("is not a number; write it like 12 or 12.5000, without blanks or thousands separators")]
    NotANumber,
    /// It would have to be rounded.
    #[error("has more than {DIGITS_MAX} digits; write it with at most {DIGITS_MAX} digits in all")]
    TooLong,
}

/// Reads `12`, `-12.50`, `.5` or `1.2E+3`. Blanks around it are ignored, inside it refused.
pub(crate) fn exact_decimal(text: &str) -> Result<Decimal, DecimalProblem> {
    let text = text.trim();
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)?),
        None => (unsigned, 0),
    };
    let mut value = shift(read_mantissa(mantissa)?, exponent).ok_or(DecimalProblem::TooLong)?;
    value.set_sign_negative(negative && !value.is_zero());
    Ok(value)
}

fn read_exponent(text: &str) -> Result<i64, DecimalProblem> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !all_digits(digits) {
        return Err(DecimalProblem::NotANumber);
    }
    // Digits that overflow an i64 can only mean a number far out of range.
    i64::from_str(text).map_err(|_| DecimalProblem::TooLong)
}

fn read_mantissa(text: &str) -> Result<Decimal, DecimalProblem> {
    let (whole, fraction) = match text.split_once('.') {
        // Some databases print one half as `.5`.
        // Others print a point and nothing after it.
        Some((whole, "")) if all_digits(whole) => (whole, ""),
        Some((whole, fraction)) if all_digits(fraction) && (whole.is_empty() || all_digits(whole)) => {
            (whole, fraction)
        }
        None if all_digits(text) => (text, ""),
        Some(_) | None => return Err(DecimalProblem::NotANumber),
    };
    let whole = whole.trim_start_matches('0');
    if whole.len() + fraction.len() > DIGITS_MAX {
        return Err(DecimalProblem::TooLong);
    }
    Decimal::from_str_exact(&plain(whole, fraction)).map_err(|_| DecimalProblem::TooLong)
}

/// The parser wants a digit before the point and none after a missing one.
fn plain(whole: &str, fraction: &str) -> String {
    if fraction.is_empty() { format!("0{whole}") } else { format!("0{whole}.{fraction}") }
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// `value × 10^exponent`, or `None` where that cannot be held exactly.
fn shift(mut value: Decimal, exponent: i64) -> Option<Decimal> {
    let Ok(up) = u32::try_from(exponent) else {
        let scale = u32::try_from(exponent.unsigned_abs()).ok()?.checked_add(value.scale())?;
        value.set_scale(scale).ok()?;
        return Some(value);
    };
    // The scale goes first: a multiplication at scale 0 cannot round, it can only overflow.
    let absorbed = up.min(value.scale());
    value.set_scale(value.scale() - absorbed).ok()?;
    match up - absorbed {
        0 => Some(value),
        _ if value.is_zero() => Some(value),
        rest => value.checked_mul(Decimal::try_from_i128_with_scale(10i128.checked_pow(rest)?, 0).ok()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_exactly_or_refuses() {
        let not = Err(DecimalProblem::NotANumber);
        let long = Err(DecimalProblem::TooLong);
        let check = |text: &str, expected: Result<&str, DecimalProblem>| {
            let read = exact_decimal(text).map(|value| value.to_string());
            assert_eq!(read, expected.map(str::to_owned), "{text:?}");
        };
        for (text, value) in [
            ("12", "12"),
            (" 12 ", "12"),
            ("1.0000", "1.0000"),
            (".5", "0.5"),
            ("-0.50", "-0.50"),
            ("+7", "7"),
            ("007", "7"),
            ("-0", "0"),
            ("1e2", "100"),
            ("1.25E+1", "12.5"),
            ("125e-2", "1.25"),
            ("0e27", "0"),
            ("5.", "5"),
            ("9999999999999999999999999999", "9999999999999999999999999999"),
            ("0.0000000000000000000000000001", "0.0000000000000000000000000001"),
        ] {
            check(text, Ok(value));
        }
        for text in [
            "", "-", ".", "1,000", "1_000", "12 3", "１２", "0x10", "NaN", "1e", "1e+", "--1", "+-1", "1.2.3",
        ] {
            check(text, not);
        }
        for text in [
            "99999999999999999999999999999",
            "0.00000000000000000000000000001",
            "1e-29",
            "1e29",
            "1e99999999999999999999",
            "9.999999999999999999999999999e28",
        ] {
            check(text, long);
        }
    }

    proptest! {
        #[test]
        fn takes_every_decimal_as_it_is(mantissa in -99_999_999_999_999i128..=99_999_999_999_999, scale in 0u32..=12) {
            let value = Decimal::from_i128_with_scale(mantissa, scale);
            prop_assert_eq!(exact_decimal(&value.to_string()), Ok(value));
        }

        #[test]
        fn never_panics(text in "[-+0-9.eE ]{0,40}") {
            let _ = exact_decimal(&text);
        }
    }
}
