//! The form of a post-mortem: its sections, what each asks, and what it begins with. A team can have its own.

use super::hints::Part;
use config::{Section, quoted};
use minijinja::Environment;
use minijinja::value::Serde;
use serde::Serialize;

/// The longest text of a section, in characters: what an input of a form takes.
pub const LONGEST: usize = 4_000;

/// The most sections: all of their texts fit into one record.
const MOST: usize = 14;

/// A section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// How it is typed.
    pub name: String,
    /// Its heading.
    pub title: String,
    /// What it asks whoever writes it.
    pub asks: String,
    /// What it begins with, as a template of Jinja's.
    pub template: String,
    /// What its text is about.
    pub part: Part,
}

/// The sections that there are where a team does not have its own: name, heading, question, template.
const USUAL: [[&str; 4]; 8] = [
    [
        "summary",
        "Summary",
        "What happened, in three sentences that a newcomer understands?",
        "{% if incident %}{{ incident.title }}.{% if incident.lasted %} It lasted {{ incident.lasted }}.{% endif %}{% endif %}",
    ],
    [
        "impact",
        "Impact",
        "Who was affected, how much, and for how long? Figures say it best.",
        "{% if incident %}{% for clock in incident.clocks %}- {{ clock.name }}: {{ clock.at }}\n{% endfor %}{% for span in incident.spans %}- {{ span.name }}: {{ span.lasted }}\n{% endfor %}{% for measure in measures %}- {{ measure.name }}: {{ measure.during }}, and {{ measure.before }} before\n{% endfor %}{% endif %}",
    ],
    [
        "timeline",
        "Timeline",
        "What happened when, from before it began? Times in UTC.",
        "{% if incident %}{% for event in incident.timeline %}- {{ event.at }} {{ event.says }}{% if event.link %} ([said there]({{ event.link }})){% endif %}\n{% endfor %}{% endif %}",
    ],
    ["factors", "Contributing factors", "What had to be as it was for this to happen? At least two things.", ""],
    ["surprises", "What surprised us", "What was otherwise than we had thought?", ""],
    ["went-well", "What went well", "What worked, and should stay as it is?", ""],
    ["was-hard", "What was hard", "What took long, was hidden, or had to be guessed?", ""],
    ["luck", "Where we got lucky", "What could have made it worse, and by chance did not?", ""],
];

/// The sections that there are where the config has none.
pub fn usual() -> Vec<Asked> {
    let asked = |[name, title, asks, template]: [&str; 4]| Asked {
        name: name.to_owned(),
        title: title.to_owned(),
        asks: asks.to_owned(),
        template: template.to_owned(),
        part: if name == "luck" { Part::Luck } else { Part::Story },
    };
    USUAL.map(asked).to_vec()
}

/// Reads `[[postmortems.sections]]`, noting every mistake.
pub fn read(section: &Section<'_>) -> Vec<Asked> {
    let own = section.list("sections");
    if own.is_empty() {
        return usual();
    }
    if own.len() > MOST {
        let what = format!("these are {} sections, and {MOST} is the most", own.len());
        section.problem("sections", what, "make one of some");
    }
    let mut read: Vec<Asked> = Vec::new();
    for one in own {
        let asked = one_of(&one);
        if read.iter().any(|other| other.name == asked.name) && !asked.name.is_empty() {
            let what = format!("there are two sections {}", quoted(&asked.name));
            one.problem("name", what, "choose another name for one");
        }
        one.finish();
        read.push(asked);
    }
    read
}

fn one_of(section: &Section<'_>) -> Asked {
    let name = section.required_text("name");
    if !name.is_empty() && !commands::registry::is_name(&name) {
        let what = format!("{} can not be the name of a section", quoted(&name));
        section.problem("name", what, "write up to 32 of a-z, 0-9 and `-`, a letter first");
    }
    let title = section.required_text("title");
    let template = section.text("template").unwrap_or_default();
    if let Err(wrong) = check(&template) {
        section.problem("template", wrong, "write it as Jinja does: `{{ incident.title }}`, `{% for … %}`");
    }
    let part = match section.choice("about", &["story", "luck"]).as_deref() {
        Some("luck") => Part::Luck,
        _ => Part::Story,
    };
    let asks = section.text("asks").unwrap_or_default();
    Asked { name, title, asks, template, part }
}

/// What is wrong with a template, and in which of its lines.
fn check(template: &str) -> Result<(), String> {
    // What compiles may still ask for what there is not: it is filled in once, as for an incident and without one.
    for known in [Known::default(), Known::sample()] {
        fill(template, &known).map_err(|error| {
            let line = error.line().map_or_else(String::new, |line| format!(" in its line {line}"));
            let why = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
            format!("the template can not be read{line}: {}", commands::text::plain(&why).trim_end_matches('.'))
        })?;
    }
    Ok(())
}

/// What a template can speak of.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Known {
    pub title: String,
    pub service: Option<String>,
    pub environment: Option<String>,
    pub severity: Option<String>,
    pub incident: Option<Told>,
    pub measures: Vec<Measured>,
}

/// What is known of an incident.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Told {
    pub number: u64,
    pub title: String,
    /// From its start to its end, where both are known.
    pub lasted: Option<String>,
    /// Its clocks that are known: `detected` and the moment.
    pub clocks: Vec<Clock>,
    /// How long it was from one to another: `detected after`.
    pub spans: Vec<Span>,
    pub timeline: Vec<Event>,
}

/// A clock of an incident.
#[derive(Debug, Clone, Serialize)]
pub struct Clock {
    pub name: String,
    /// In UTC and on the team's clocks.
    pub at: String,
}

/// How long something took.
#[derive(Debug, Clone, Serialize)]
pub struct Span {
    pub name: String,
    pub lasted: String,
}

/// An entry of a timeline.
#[derive(Debug, Clone, Serialize)]
pub struct Event {
    pub at: String,
    pub says: String,
    /// Where it was said.
    pub link: Option<String>,
}

/// A measure during the incident, and as long before.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    pub name: String,
    pub during: String,
    pub before: String,
}

impl Known {
    /// The same without links, which a long timeline has no room for.
    pub fn without_links(mut self) -> Known {
        self.incident.iter_mut().flat_map(|told| &mut told.timeline).for_each(|event| event.link = None);
        self
    }

    /// Everything there can be, to try a template on.
    fn sample() -> Known {
        let text = || "sample".to_owned();
        let told = Told {
            number: 1,
            title: text(),
            lasted: Some(text()),
            clocks: vec![Clock { name: text(), at: text() }],
            spans: vec![Span { name: text(), lasted: text() }],
            timeline: vec![Event { at: text(), says: text(), link: Some(text()) }],
        };
        Known {
            title: text(),
            service: Some(text()),
            environment: Some(text()),
            severity: Some(text()),
            incident: Some(told),
            measures: vec![Measured { name: text(), during: text(), before: text() }],
        }
    }
}

/// What a section begins with.
///
/// # Errors
/// Why the template can not be filled in, which the check of the config would have told.
pub fn fill(template: &str, known: &Known) -> Result<String, minijinja::Error> {
    Ok(Environment::new().render_str(template, Serde(known))?.trim().to_owned())
}

/// As much of a text as a section may have.
pub fn fitting(filled: &str) -> String {
    if filled.chars().count() <= LONGEST {
        return filled.to_owned();
    }
    // Whole lines, so that no entry of a timeline is cut in the middle.
    let mut kept = String::new();
    for line in filled.lines() {
        if kept.chars().count() + line.chars().count() + 40 > LONGEST {
            break;
        }
        kept.push_str(line);
        kept.push('\n');
    }
    kept + "- … (there was no room for more)"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_sections_are_what_a_config_could_say() {
        for asked in usual() {
            assert!(commands::registry::is_name(&asked.name), "{}", asked.name);
            assert_eq!(check(&asked.template), Ok(()), "{}", asked.name);
            assert_eq!(fill(&asked.template, &Known::default()).unwrap(), "", "{}", asked.name);
            assert!(asked.title.chars().count() <= 45 && asked.asks.chars().count() <= 100, "{}", asked.name);
        }
    }

    #[test]
    fn a_template_that_does_not_compile_is_told_with_its_line() {
        for (template, told) in [
            ("{{ incident.title }}", ""),
            ("{% for event in incident.timeline %}{{ event.says }}{% endfor %}", ""),
            ("one\n{% for event %}", "in its line 2"),
            ("{{ title | upperr }}", "filter upperr is unknown"),
            ("{% if %}", "in its line 1"),
            ("{{ open", "in its line 1"),
        ] {
            let found = check(template).err().unwrap_or_default();
            assert!(if told.is_empty() { found.is_empty() } else { found.contains(told) }, "{template}\n{found}");
        }
    }

    #[test]
    fn what_people_wrote_is_no_template_and_what_is_long_keeps_whole_lines() {
        let says = "{{ title }} {% raw %} ".repeat(8);
        let event = |at: usize| Event { at: format!("14:{at:02}"), says: says.clone(), link: None };
        let told = Told { timeline: (0..60).map(event).collect(), ..Told::default() };
        let known = Known { incident: Some(told), ..Known::default() };
        let template = &usual()[2].template;
        let filled = fitting(&fill(template, &known).unwrap());
        assert!(filled.contains("{{ title }} {% raw %}"), "{filled}");
        assert!(filled.chars().count() <= LONGEST && filled.ends_with("no room for more)"), "{filled}");
        assert!(filled.lines().all(|line| line.starts_with("- ")), "{filled}");
    }
}
