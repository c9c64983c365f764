//! Buttons as Discord's components: five rows, each of five buttons or of one list to choose from.

use super::markdown::shorten;
use super::one_line;
use commands::reply::{Button, Look};
use commands::text::plural;
use serde_json::{Value, json};
use std::collections::HashSet;

/// The rows of a message.
const ROWS: usize = 5;
/// The buttons in a row.
const ACROSS: usize = 5;
/// The options of a list.
const OPTIONS: usize = 25;
/// More plain buttons than this become lists.
const PLAIN: usize = 10;
/// The label of a button, in units.
const LABEL: usize = 80;
/// The label of an option, in units.
const OPTION: usize = 100;
/// The name of a component, or the value of an option, in bytes of ASCII.
const ID: usize = 100;

/// What can be pressed on a message.
pub(super) struct Rows {
    /// The rows.
    pub rows: Vec<Value>,
    /// What is to be said about buttons for which there is no room.
    pub note: Option<String>,
    /// Whether a label or a button was left out.
    pub cut: bool,
}

/// The buttons in rows. Where there are too many, the plain ones become lists, whose values are the ids of the buttons.
pub(super) fn rows(buttons: &[Button]) -> Rows {
    let mut seen = HashSet::new();
    // Discord refuses the whole message when two components have the same name.
    let buttons: Vec<_> = buttons.iter().filter(|button| seen.insert(&button.id)).collect();
    let (fit, unfit): (Vec<&Button>, Vec<&Button>) =
        buttons.into_iter().partition(|button| (1..=ID).contains(&button.id.len()));
    let plain = fit.iter().filter(|button| button.look == Look::Plain).count();
    let lists = plain > PLAIN || (plain > 0 && fit.len() > ROWS * ACROSS);
    let (pressed, chosen): (Vec<&Button>, Vec<&Button>) =
        fit.into_iter().partition(|button| !lists || button.look != Look::Plain);

    let mut cut = false;
    let room = if lists { ROWS - 1 } else { ROWS };
    let mut rows: Vec<Value> =
        pressed.chunks(ACROSS).take(room).map(|buttons| row(buttons.iter().map(|one| press(one, &mut cut)))).collect();
    let shown = pressed.len().min(room * ACROSS);
    let room = (ROWS - rows.len()) * OPTIONS;
    let listed = chosen.len().min(room);
    for (number, options) in chosen[..listed].chunks(OPTIONS).enumerate() {
        rows.push(row([list(number, options, chosen.len(), &mut cut)]));
    }
    let more = unfit.len() + pressed.len() - shown + chosen.len() - listed;
    let note = (more > 0).then(|| format!("There is no room for {}.", plural(more, "more button")));
    Rows { rows, note, cut: cut || more > 0 }
}

fn row(components: impl IntoIterator<Item = Value>) -> Value {
    json!({ "type": 1, "components": components.into_iter().collect::<Vec<_>>() })
}

fn press(button: &Button, cut: &mut bool) -> Value {
    let style = match button.look {
        Look::Main => 1,
        Look::Plain => 2,
        Look::Danger => 4,
    };
    json!({ "type": 2, "style": style, "label": label(button, LABEL, cut), "custom_id": button.id })
}

fn list(number: usize, options: &[&Button], of: usize, cut: &mut bool) -> Value {
    let first = number * OPTIONS + 1;
    let last = first + options.len() - 1;
    let placeholder =
        if of == options.len() { "Choose…".to_owned() } else { format!("Choose: {first}–{last} of {of}") };
    let options: Vec<_> =
        options.iter().map(|one| json!({ "label": label(one, OPTION, cut), "value": one.id })).collect();
    json!({ "type": 3, "custom_id": format!("list-{number}"), "placeholder": placeholder, "options": options })
}

/// What stands on a button: its label, or its line where it has none.
fn label(button: &Button, limit: usize, cut: &mut bool) -> String {
    let label = one_line(&button.label);
    let (label, shorter) = shorten(&if label.is_empty() { format!("/{}", button.line) } else { label }, limit);
    *cut |= shorter;
    label
}
