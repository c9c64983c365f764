//! What figures are measured in, and how people read them: `0.152` seconds are "152 ms".

/// The unit of a measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Unit {
    family: Family,
    /// How much of the family's base one is: a millisecond is 0.001 of a second.
    scale: f64,
    /// As it stands behind a number that is shown on no ladder.
    word: String,
}

/// Units that can be compared with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Time,
    Bytes,
    /// Of a hundred.
    Percent,
    /// Anything that is counted: requests, euros.
    Count,
}

/// The units that are known, each with its family and what it is of the family's base. All others are counted.
const KNOWN: &[(&str, Family, f64)] = &[
    ("ns", Family::Time, 1e-9),
    ("us", Family::Time, 1e-6),
    ("µs", Family::Time, 1e-6),
    ("ms", Family::Time, 1e-3),
    ("s", Family::Time, 1.0),
    ("min", Family::Time, 60.0),
    ("h", Family::Time, 3_600.0),
    ("B", Family::Bytes, 1.0),
    ("KB", Family::Bytes, 1e3),
    ("MB", Family::Bytes, 1e6),
    ("GB", Family::Bytes, 1e9),
    ("KiB", Family::Bytes, 1_024.0),
    ("MiB", Family::Bytes, 1_048_576.0),
    ("GiB", Family::Bytes, 1_073_741_824.0),
    ("%", Family::Percent, 1.0),
    ("share", Family::Percent, 100.0),
];

const TIMES: &[(f64, &str)] =
    &[(1e-9, "ns"), (1e-6, "µs"), (1e-3, "ms"), (1.0, "s"), (60.0, "min"), (3_600.0, "h"), (86_400.0, "d")];
const BYTES: &[(f64, &str)] =
    &[(1.0, "B"), (1_024.0, "KiB"), (1_048_576.0, "MiB"), (1_073_741_824.0, "GiB"), (1_099_511_627_776.0, "TiB")];
/// What is counted is cut short from ten thousand on only.
const COUNTS: &[(f64, &str)] = &[(1.0, ""), (1e4, "k"), (1e6, "M"), (1e9, "G"), (1e12, "T")];

/// The longest word for a unit, in characters.
pub const LONGEST: usize = 12;

/// A size in which figures are written: `ms` for figures in seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Rung {
    /// How much one is in the figures' own unit.
    pub size: f64,
    /// What stands behind the number, with a blank before it where one belongs.
    pub suffix: String,
}

impl Unit {
    /// A unit by its word; an empty one is a bare number.
    pub fn of(word: &str) -> Unit {
        let known = KNOWN.iter().find(|(known, ..)| *known == word);
        let (family, scale) = known.map_or((Family::Count, 1.0), |(_, family, scale)| (*family, *scale));
        Unit { family, scale, word: word.to_owned() }
    }

    /// Whether figures of both can stand on one axis.
    pub fn fits(&self, other: &Unit) -> bool {
        self.family == other.family && (self.family != Family::Count || self.word == other.word)
    }

    /// A figure of another unit in this one; nothing where they can not be compared.
    pub fn of_other(&self, other: &Unit, value: f64) -> Option<f64> {
        self.fits(other).then(|| value * other.scale / self.scale)
    }

    /// One size for all figures, for where they stand beside those of others: what a figure is multiplied with, and the word
    /// behind it. A share of a hundred is no `%` there, by which others mean how often something was well.
    pub fn plain(&self) -> (f64, &str) {
        match self.family {
            Family::Time => (self.scale / 1e-3, "ms"),
            Family::Bytes if self.scale < 1e6 => (self.scale / 1_024.0, "KiB"),
            Family::Bytes => (self.scale / 1_048_576.0, "MiB"),
            Family::Percent => (self.scale, "percent"),
            Family::Count => (1.0, &self.word),
        }
    }

    /// Whether a change is told in points rather than in percent of what was before.
    pub fn in_points(&self) -> bool {
        self.family == Family::Percent
    }

    /// The size in which a figure as large as this is read best.
    pub fn rung(&self, largest: f64) -> Rung {
        let ladder = match self.family {
            Family::Time => TIMES,
            Family::Bytes => BYTES,
            Family::Count => COUNTS,
            Family::Percent => return Rung { size: 1.0 / self.scale, suffix: " %".to_owned() },
        };
        // What is nought has the unit's own size, and so has what is below every rung.
        let base = if largest == 0.0 { self.scale } else { largest.abs() * self.scale };
        let at = ladder.iter().rposition(|(size, _)| base >= size * (1.0 - 1e-9)).unwrap_or(0);
        let (size, word) = ladder[at];
        match self.family {
            Family::Count => {
                // "12.3k req/s": the rung that begins at ten thousand is counted in thousands.
                let size = if word == "k" { 1e3 } else { size };
                let blank = if self.word.is_empty() { "" } else { " " };
                Rung { size, suffix: format!("{word}{blank}{}", self.word) }
            }
            _ => Rung { size: size / self.scale, suffix: format!(" {word}") },
        }
    }

    /// A figure as people read it: three digits that count, and the unit.
    pub fn show(&self, value: f64) -> String {
        match value {
            value if value.is_nan() => "no number".to_owned(),
            value if value.is_infinite() => (if value > 0.0 { "infinite" } else { "minus infinite" }).to_owned(),
            _ => {
                let rung = self.rung(value);
                format!("{}{}", number(value / rung.size), rung.suffix)
            }
        }
    }

    /// A difference as people read it, with its sign; points of a percentage are called so.
    pub fn show_difference(&self, value: f64) -> String {
        let shown = self.show(value.abs());
        let points = if shown == "1 %" { " point" } else { " points" };
        let shown = if self.in_points() { shown.replace(" %", points) } else { shown };
        format!("{}{shown}", if value < 0.0 { "-" } else { "+" })
    }
}

/// A number with three digits that count, and no noughts at its end behind the point.
pub fn number(value: f64) -> String {
    let size = value.abs();
    let digits = match size {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        size if size >= 0.9995 || size == 0.0 => 2,
        size if size >= 1e-6 => (2.0 - size.log10().floor()) as usize,
        _ => return format!("{value:.2e}"),
    };
    if size >= 1e15 {
        return format!("{value:.2e}");
    }
    trimmed(&format!("{value:.digits$}"))
}

/// A number without the noughts at its end behind the point.
pub fn trimmed(text: &str) -> String {
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_shown_as_people_read_them() {
        for (unit, value, shown) in [
            ("s", 0.152, "152 ms"),
            ("s", 0.000_25, "250 µs"),
            ("s", 90.0, "1.5 min"),
            ("s", 0.0, "0 s"),
            ("ms", 1_520.0, "1.52 s"),
            ("ms", 0.0, "0 ms"),
            ("ms", -12.0, "-12 ms"),
            ("B", 1_536.0, "1.5 KiB"),
            ("MB", 3.0, "2.86 MiB"),
            ("%", 12.345, "12.3 %"),
            ("share", 0.012_34, "1.23 %"),
            ("share", 1.0, "100 %"),
            ("", 7.0, "7"),
            ("", 9_999.0, "9999"),
            ("", 12_345.0, "12.3k"),
            ("req/s", 2_500_000.0, "2.5M req/s"),
            ("€", 0.0123, "0.0123 €"),
            ("€", 1e300, "1.00e288T €"),
            ("", 1e-9, "1.00e-9"),
            ("s", f64::NAN, "no number"),
            ("s", f64::INFINITY, "infinite"),
        ] {
            assert_eq!(Unit::of(unit).show(value), shown, "{value} {unit}");
        }
    }

    #[test]
    fn only_what_is_alike_is_compared() {
        for (one, other, fits) in [
            ("s", "ms", true),
            ("B", "GiB", true),
            ("%", "share", true),
            ("s", "B", false),
            ("€", "", false),
            ("€", "€", true),
        ] {
            assert_eq!(Unit::of(one).fits(&Unit::of(other)), fits, "{one} and {other}");
        }
        assert_eq!(Unit::of("share").show_difference(-0.012), "-1.2 points");
        assert_eq!(Unit::of("%").show_difference(1.0), "+1 point");
        assert_eq!(Unit::of("s").show_difference(0.21), "+210 ms");
    }
}
