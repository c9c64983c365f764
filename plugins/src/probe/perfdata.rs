//! What a check of the Nagios kind writes: a line for people, then figures behind a `|`, as the Monitoring Plugins' guide
//! has them: `'label'=value[unit];warn;crit;min;max`, set apart by blanks.

use super::Figure;

/// The most figures that are taken of one program.
const MOST: usize = 16;

/// The longest name of a figure, in characters.
const LONGEST: usize = 40;

/// The first line for people, and the figures of all lines.
pub fn read(output: &str) -> (&str, Vec<Figure>) {
    let says = output.lines().next().unwrap_or_default();
    let says = says.split_once('|').map_or(says, |(says, _)| says).trim();
    let figures = output.lines().filter_map(|line| line.split_once('|')).flat_map(|(_, data)| figures(data));
    (says, figures.take(MOST).collect())
}

fn figures(mut data: &str) -> Vec<Figure> {
    let mut found = Vec::new();
    while let Some((name, rest)) = label(data.trim_start()) {
        let (value, after) = rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()));
        found.extend(figure(&name, value));
        data = after;
    }
    found
}

/// A label and what stands behind its `=`. In quotes it may hold anything, a quote as two.
fn label(data: &str) -> Option<(String, &str)> {
    let Some(quoted) = data.strip_prefix('\'') else {
        let (name, rest) = data.split_once('=')?;
        return Some((name.trim().to_owned(), rest));
    };
    let mut name = String::new();
    let mut letters = quoted.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\'' if letters.next_if(|(_, next)| *next == '\'').is_some() => name.push('\''),
            '\'' => return Some((name, quoted[at + 1..].strip_prefix('=')?)),
            _ => name.push(letter),
        }
    }
    None
}

fn figure(name: &str, value: &str) -> Option<Figure> {
    let value = value.split(';').next().unwrap_or_default();
    let number = |letter: char| letter.is_ascii_digit() || matches!(letter, '.' | '-' | '+');
    let (number, unit) = value.split_at(value.find(|letter| !number(letter)).unwrap_or(value.len()));
    let value: f64 = number.parse().ok()?;
    let known = unit.chars().all(|letter| letter.is_alphabetic() || letter == '%');
    let good = !name.is_empty() && known && unit.chars().count() <= 8 && value.is_finite();
    let name = name.chars().take(LONGEST).collect();
    good.then(|| Figure { name, value, unit: unit.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a program printed, its first line, and its figures.
    type Case = (&'static str, &'static str, &'static [(&'static str, f64, &'static str)]);

    #[test]
    fn figures_are_read_as_the_guide_has_them() {
        let cases: [Case; 8] = [
            ("", "", &[]),
            ("OK - all is well\n", "OK - all is well", &[]),
            ("OK | time=0.35s;1;2;0;10", "OK", &[("time", 0.35, "s")]),
            (
                "DISK OK|/=2643MB;5948;5958;0;5968 /boot=68%;88\nlong text | more=7c",
                "DISK OK",
                &[("/", 2643.0, "MB"), ("/boot", 68.0, "%"), ("more", 7.0, "c")],
            ),
            ("OK | 'free space'=1.5GB 'it''s'=-2", "OK", &[("free space", 1.5, "GB"), ("it's", -2.0, "")]),
            ("OK | time=U good=1 =3 'open=4", "OK", &[("good", 1.0, "")]),
            ("OK | x=1e999 y=. z=9thisisnounit", "OK", &[]),
            ("|a=1", "", &[("a", 1.0, "")]),
        ];
        for (output, says, figures) in cases {
            let figure = |(name, value, unit): &(&str, f64, &str)| Figure {
                name: (*name).to_owned(),
                value: *value,
                unit: (*unit).to_owned(),
            };
            assert_eq!(read(output), (says, figures.iter().map(figure).collect()), "{output}");
        }
        let many = format!("OK |{}", " a=1".repeat(1_000));
        assert_eq!(read(&many).1.len(), MOST);
    }
}
