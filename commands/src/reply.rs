//! What Deckhand answers: one description of a message that every platform renders as well as it can.

use serde::{Deserialize, Serialize};

/// One state of the answer to a line. Each reply takes the place of the one before it.
///
/// All text is plain but for `` `code` ``: a platform escapes the rest. What people or services wrote gets in through
/// [`crate::text::code`] or [`crate::text::plain`], so that it can not pretend to be Deckhand's own words.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The sentence: what was done, what is missing, what to type next.
    pub text: String,
    /// The heading, where the reply is a card rather than a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<Card>,
    /// Named facts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
    /// Rows of facts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<Grid>,
    /// Preformatted lines: the end of a program's output.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output: String,
    /// What can be said next with one press.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buttons: Vec<Button>,
    /// Files that go with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileRef>,
    /// Whom to call by name, so that their device rings; nobody by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<String>,
    /// Whether only the asker sees it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_you: bool,
    /// Whether it is shown once, and kept nowhere: it hands a secret to the asker, who alone sees it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub once: bool,
    /// Whether more follows.
    pub state: State,
    /// How it went.
    pub outcome: Outcome,
}

/// Whether a reply is the last one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Another reply will take its place.
    Progress,
    /// Nothing follows.
    #[default]
    Final,
}

/// How a call went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It is done (or, in progress, nothing has gone wrong so far).
    #[default]
    Done,
    /// Nothing was changed, because of what was asked, by whom, or because a yes is missing.
    Refused,
    /// Something on Deckhand's side or in the world did not work.
    Broken,
}

/// The heading of a card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// A few words.
    pub title: String,
    /// The colour of its edge, and the word that stands for it where there are no colours.
    pub tone: Tone,
}

/// What a card's colour means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tone {
    /// A fact.
    Plain,
    /// Under way.
    Working,
    /// It went well.
    Good,
    /// It needs a look, or an answer.
    Warn,
    /// It did not go well.
    Bad,
}

/// A named fact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A table: every row has as many cells as the head.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Grid {
    /// The names of the columns.
    pub head: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<String>>,
}

/// Something that can be said with one press: pressing is saying the line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Button {
    /// What stands on it.
    pub label: String,
    /// What it says.
    pub line: String,
    /// How it looks.
    #[serde(default)]
    pub look: Look,
    /// What has to be filled in first: the line's further arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<Form>,
    /// The opaque name under which a press of it reaches the gate, which gives it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The record that it was drawn from, and its version then: when that moved on, a press explains itself and does
    /// nothing. Platforms never see it.
    #[serde(skip)]
    pub drawn_from: Option<(String, u64)>,
    /// Who alone may press it; anyone where nobody is named. Platforms never see it.
    #[serde(skip)]
    pub only_for: Option<String>,
    /// Whether it may be pressed again and again, since its line says itself what it rests on: whoever is second with a
    /// form does not lose what they wrote. Platforms never see it.
    #[serde(skip)]
    pub again: bool,
}

/// What has to be filled in before a button says its line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Form {
    /// A few words.
    pub title: String,
    /// What is asked for: 1 to 5.
    pub inputs: Vec<Input>,
}

/// One thing that a form asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Input {
    /// The argument of the line's command that it becomes.
    pub name: String,
    /// What it is called for people, in at most 45 characters.
    pub label: String,
    /// An example, where there is nothing in it yet.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hint: String,
    /// What it holds to begin with.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// Whether it is shown to nobody and kept nowhere. Its argument is an optional text.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secret: bool,
    /// Whether it has room for several lines, which become one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub long: bool,
    /// Whether its lines stay apart: see [`crate::text::as_line`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lines: bool,
    /// The most characters that it takes.
    pub most: usize,
}

/// How a button looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Look {
    /// One of several.
    #[default]
    Plain,
    /// The one that most people want.
    Main,
    /// The one to think about first.
    Danger,
}

impl Button {
    /// A plain button.
    pub fn new(label: impl Into<String>, line: impl Into<String>) -> Button {
        let (label, line) = (label.into(), line.into());
        Button {
            label,
            line,
            look: Look::Plain,
            form: None,
            id: String::new(),
            drawn_from: None,
            only_for: None,
            again: false,
        }
    }

    /// The same, which asks for this first.
    pub fn form(mut self, form: Form) -> Button {
        self.form = Some(form);
        self
    }

    /// The same, looking like this.
    pub fn look(mut self, look: Look) -> Button {
        self.look = look;
        self
    }

    /// The same, for this person alone to press.
    pub fn only_for(mut self, person: impl Into<String>) -> Button {
        self.only_for = Some(person.into());
        self
    }

    /// The same, good for more than one press.
    pub fn again(mut self) -> Button {
        self.again = true;
        self
    }

    /// The same, good only while the record at `key` has this version.
    pub fn drawn_from(mut self, key: impl Into<String>, version: u64) -> Button {
        self.drawn_from = Some((key.into(), version));
        self
    }
}

/// A file that goes with a reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileRef {
    /// What it is called for people.
    pub title: String,
    /// Its name in [`crate::ports::Files`].
    pub name: String,
    /// The figures that a picture shows, oldest first: for where there are no pictures, and for who can not see them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<f64>,
}

/// The endings of pictures, and what they are called on the web.
const PICTURES: [(&str, &str); 5] = [
    (".png", "image/png"),
    (".jpg", "image/jpeg"),
    (".webp", "image/webp"),
    (".gif", "image/gif"),
    (".svg", "image/svg+xml"),
];

/// The media type of a kept file of this name, if it is a picture.
pub fn picture(name: &str) -> Option<&'static str> {
    PICTURES.iter().find(|(ending, _)| name.ends_with(ending)).map(|(_, kind)| *kind)
}

/// Figures as one line of at most so many columns, each the one of its share that is farthest from the middle of all, so
/// that peaks and dips are seen, with the least and the greatest: `▁▂▅█▃ (12 to 340)`. Nothing where there are none.
pub fn sparkline(series: &[f64], columns: usize) -> Option<String> {
    let figures: Vec<f64> = series.iter().copied().filter(|figure| figure.is_finite()).collect();
    let least = figures.iter().copied().reduce(f64::min)?;
    let most = figures.iter().copied().reduce(f64::max)?;
    let columns = figures.len().min(columns);
    let mut in_order = figures.clone();
    in_order.sort_by(f64::total_cmp);
    let middle = in_order[in_order.len() / 2];
    let column = |number: usize| {
        let share = &figures[number * figures.len() / columns..(number + 1) * figures.len() / columns];
        let farther = |one: f64, other: f64| if (other - middle).abs() > (one - middle).abs() { other } else { one };
        let stands_out = share.iter().copied().reduce(farther).unwrap_or(least);
        let height = if most > least { (stands_out - least) / (most - least) * 7.0 } else { 0.0 };
        ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'].get(height.round() as usize).copied().unwrap_or('█')
    };
    let line: String = (0..columns).map(column).collect();
    Some(format!("{line} ({} to {})", figure(least), figure(most)))
}

/// A figure with two digits behind the point, and where it is small with as many as say something: three.
fn figure(figure: f64) -> String {
    let small = figure != 0.0 && figure.abs() < 1.0;
    let digits = if small { (2.0 - figure.abs().log10().floor()).clamp(2.0, 300.0) } else { 2.0 };
    let text = format!("{figure:.*}", digits as usize);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl Reply {
    /// A sentence.
    pub fn say(text: impl Into<String>) -> Reply {
        Reply { text: text.into(), ..Reply::default() }
    }

    /// A sentence that says why nothing was done, and what to do instead. Only the asker sees it.
    pub fn refuse(text: impl Into<String>) -> Reply {
        Reply { text: text.into(), only_you: true, outcome: Outcome::Refused, ..Reply::default() }
    }

    /// A card with a title and a sentence.
    pub fn card(tone: Tone, title: impl Into<String>, text: impl Into<String>) -> Reply {
        Reply { card: Some(Card { title: title.into(), tone }), text: text.into(), ..Reply::default() }
    }

    /// The same, with one more fact.
    pub fn field(mut self, name: impl Into<String>, value: impl Into<String>) -> Reply {
        self.fields.push(Field { name: name.into(), value: value.into() });
        self
    }

    /// The same, with one more button.
    pub fn button(mut self, button: Button) -> Reply {
        self.buttons.push(button);
        self
    }

    /// The same, with a table.
    pub fn table<const N: usize>(mut self, head: [&str; N], rows: Vec<[String; N]>) -> Reply {
        let head = head.map(str::to_owned).to_vec();
        self.table = Some(Grid { head, rows: rows.into_iter().map(Vec::from).collect() });
        self
    }

    /// The same, with a file.
    pub fn file(mut self, title: impl Into<String>, name: impl Into<String>) -> Reply {
        self.files.push(FileRef { title: title.into(), name: name.into(), series: Vec::new() });
        self
    }

    /// The same, with a picture of these figures, oldest first.
    pub fn picture(mut self, title: impl Into<String>, name: impl Into<String>, series: Vec<f64>) -> Reply {
        self.files.push(FileRef { title: title.into(), name: name.into(), series });
        self
    }

    /// The same, with preformatted lines.
    pub fn output(mut self, output: impl Into<String>) -> Reply {
        self.output = output.into();
        self
    }

    /// The same, with this outcome.
    pub fn outcome(mut self, outcome: Outcome) -> Reply {
        self.outcome = outcome;
        self
    }

    /// The same, seen by the asker alone.
    pub fn only_you(mut self) -> Reply {
        self.only_you = true;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_figures_shows_peaks_and_dips_of_any_size() {
        let dip: Vec<f64> = (0..120).map(|at| if at == 61 { 1.0 } else { 50.0 }).collect();
        let peak: Vec<f64> = (0..120).map(|at| if at == 61 { 99.0 } else { 50.0 }).collect();
        let (high, low) = ("█".repeat(20), "▁".repeat(20));
        let rest = &"█".repeat(19);
        let bottom = &"▁".repeat(19);
        for (figures, columns, line) in [
            (&dip[..], 40, format!("{high}▁{rest} (1 to 50)")),
            (&peak, 40, format!("{low}█{bottom} (50 to 99)")),
            (&[0.0001, 0.0004], 40, "▁█ (0.0001 to 0.0004)".to_owned()),
            (&[0.12345, 1234.567], 40, "▁█ (0.123 to 1234.57)".to_owned()),
            (&[0.0, f64::NAN, -0.5], 40, "█▁ (-0.5 to 0)".to_owned()),
            (&[7.0, 7.0], 40, "▁▁ (7 to 7)".to_owned()),
        ] {
            assert_eq!(sparkline(figures, columns).as_deref(), Some(&*line));
        }
        assert_eq!(sparkline(&[f64::NAN], 40), None);
        assert_eq!(sparkline(&[], 40), None);
    }
}
