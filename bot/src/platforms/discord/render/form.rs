//! What a button asks for before it says its line, as Discord's modal.

use super::markdown::shorten;
use super::one_line;
use commands::reply::{Form, Input};
use serde_json::{Value, json};

/// A modal's title and the label of an input, in units.
const TITLE: usize = 45;
/// What stands in an empty input, in units.
const HINT: usize = 100;
/// The inputs of a modal.
const INPUTS: usize = 5;
/// The most that an input takes, in characters.
const MOST: usize = 4_000;

/// The modal that asks for `form`, as the data of a callback of type 9. `id` comes back with what was filled in: that of the
/// button. Everything in it has to be filled in; its inputs come back under their names.
pub fn form(id: &str, form: &Form) -> Value {
    // An action row with a text input rather than a label (type 18): serenity 0.12 reads no inputs out of labels.
    let rows: Vec<_> =
        form.inputs.iter().take(INPUTS).map(|input| json!({ "type": 1, "components": [text_input(input)] })).collect();
    json!({ "custom_id": id, "title": words(&form.title, TITLE, "Fill in"), "components": rows })
}

fn text_input(input: &Input) -> Value {
    let most = input.most.clamp(1, MOST);
    let mut shown = json!({
        "type": 4,
        "custom_id": input.name,
        "style": if input.long { 2 } else { 1 },
        "label": words(&input.label, TITLE, &input.name),
        "required": true,
        "min_length": 1,
        "max_length": most,
    });
    if !input.hint.trim().is_empty() {
        shown["placeholder"] = words(&input.hint, HINT, "").into();
    }
    let value: String = input.value.chars().take(most).collect();
    if !value.is_empty() {
        shown["value"] = value.into();
    }
    shown
}

/// `text` on one line that fits, or `instead`: Discord refuses an empty one.
fn words(text: &str, limit: usize, instead: &str) -> String {
    let text = one_line(text);
    shorten(if text.is_empty() { instead } else { &text }, limit).0
}
