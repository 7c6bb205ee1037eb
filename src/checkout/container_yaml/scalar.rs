//! What a plain scalar means: PyYAML's `Resolver`, which follows YAML 1.1 and not 1.2.
//!
//! `no` is false, `010` is eight, `1:30` is ninety and `2026-01-31` is a date. OSBS reads `container.yaml` with PyYAML, and
//! its schema then refuses what is not text where text is wanted, such as the tag `1.10`.

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool,
    /// Numbers that do not fit are the largest that does.
    Int(i128),
    Float,
    /// A date, or a date and a time.
    Timestamp,
    /// `<<`: the key that merges another mapping into this one.
    Merge,
    /// `=`, which PyYAML reads as text only in a key.
    Default,
    Text,
}

/// The meaning of a scalar without quotes and without a tag. As in PyYAML the first kind that fits wins.
pub(super) fn resolve(text: &str) -> Scalar {
    match text {
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Scalar::Bool,
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Scalar::Bool,
        "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
        "<<" => Scalar::Merge,
        "=" => Scalar::Default,
        text if is_float(text) => Scalar::Float,
        text => match integer(text) {
            Some(value) => Scalar::Int(value),
            None if is_timestamp(text) => Scalar::Timestamp,
            None => Scalar::Text,
        },
    }
}

/// Whether the text is a digit and then digits and underscores.
fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit()) && is_digits(text)
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_')
}

/// Text between the colons of a number to the base 60: up to 59, of one or two digits.
fn is_sixtieth(text: &str) -> bool {
    match text.as_bytes() {
        [ones] => ones.is_ascii_digit(),
        [tens, ones] => (b'0'..=b'5').contains(tens) && ones.is_ascii_digit(),
        _ => false,
    }
}

fn is_float(text: &str) -> bool {
    let body = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_signed = body.len() < text.len();
    match body {
        ".inf" | ".Inf" | ".INF" => return true,
        ".nan" | ".NaN" | ".NAN" => return !is_signed,
        _ => {}
    }
    let (mantissa, exponent) = match body.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (body, None),
    };
    let Some((whole, fraction)) = mantissa.split_once('.') else { return false };
    let exponent_fits = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or_default();
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    });
    let whole_fits = match whole.split_once(':') {
        Some((first, rest)) => exponent.is_none() && is_number(first) && rest.split(':').all(is_sixtieth),
        None if whole.is_empty() => !is_signed && is_number(fraction),
        None => is_number(whole),
    };
    whole_fits && exponent_fits && is_digits(fraction)
}

fn integer(text: &str) -> Option<i128> {
    let body = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = |from: usize| body.get(from..).unwrap_or_default().replace('_', "");
    let within = |from: usize, radix| {
        let rest = body.get(from..).unwrap_or_default();
        !rest.is_empty() && rest.chars().all(|c| c == '_' || c.is_digit(radix))
    };
    let value = if body == "0" {
        Some(0)
    } else if body.starts_with("0b") && within(2, 2) {
        i128::from_str_radix(&digits(2), 2).ok()
    } else if body.starts_with("0x") && within(2, 16) {
        i128::from_str_radix(&digits(2), 16).ok()
    } else if body.starts_with('0') && within(1, 8) {
        i128::from_str_radix(&digits(0), 8).ok()
    } else if body.starts_with('0') {
        return None;
    } else if is_number(body) {
        digits(0).parse().ok()
    } else if let Some((first, rest)) = body.split_once(':')
        && is_number(first)
        && rest.split(':').all(is_sixtieth)
    {
        sixties(body)
    } else {
        return None;
    };
    let value = value.unwrap_or(i128::MAX);
    Some(if text.starts_with('-') { -value } else { value })
}

/// The value of digits between colons; `None` where it does not fit.
fn sixties(text: &str) -> Option<i128> {
    text.split(':')
        .try_fold(0_i128, |value, part| value.checked_mul(60)?.checked_add(part.replace('_', "").parse().ok()?))
}

/// `YYYY-MM-DD`, or a date with a time and perhaps a zone.
fn is_timestamp(text: &str) -> bool {
    let mut rest = Scan(text);
    if !(rest.digits(4, 4) && rest.skip('-')) {
        return false;
    }
    let day_only = text.len() == 10 && rest.clone().date_of_two_digits();
    day_only || (rest.digits(1, 2) && rest.skip('-') && rest.digits(1, 2) && rest.time())
}

/// A reader of fixed forms.
#[derive(Clone)]
struct Scan<'a>(&'a str);

impl Scan<'_> {
    /// Takes as many digits as there are, which must be so many.
    fn digits(&mut self, least: usize, most: usize) -> bool {
        let count = self.0.bytes().take_while(u8::is_ascii_digit).count();
        self.0 = &self.0[count..];
        (least..=most).contains(&count)
    }

    fn skip(&mut self, character: char) -> bool {
        let rest = self.0.strip_prefix(character);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// Takes the blanks there are, and says how many.
    fn blanks(&mut self) -> usize {
        let before = self.0.len();
        self.0 = self.0.trim_start_matches([' ', '\t']);
        before - self.0.len()
    }

    fn date_of_two_digits(&mut self) -> bool {
        self.digits(2, 2) && self.skip('-') && self.digits(2, 2) && self.0.is_empty()
    }

    fn time(&mut self) -> bool {
        let separated = self.skip('T') || self.skip('t') || self.blanks() > 0;
        let clock = self.digits(1, 2) && self.skip(':') && self.digits(2, 2) && self.skip(':') && self.digits(2, 2);
        if !separated || !clock {
            return false;
        }
        if self.skip('.') {
            self.digits(0, usize::MAX);
        }
        self.blanks();
        self.0.is_empty() || self.zone()
    }

    fn zone(&mut self) -> bool {
        let offset = |scan: &mut Self| {
            (scan.skip('+') || scan.skip('-')) && scan.digits(1, 2) && (!scan.skip(':') || scan.digits(2, 2))
        };
        (self.skip('Z') || offset(self)) && self.0.is_empty()
    }
}
