//! A line as somebody types it, as the options of a registered command.

use super::state::State;
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

/// The types of options that hold others.
const SUB_COMMAND: u64 = 1;
const SUB_COMMAND_GROUP: u64 = 2;
const STRING: u64 = 3;
const INTEGER: u64 = 4;
const BOOLEAN: u64 = 5;
const NUMBER: u64 = 10;

/// A word of a line: `key:text` or `text`.
#[derive(Debug, Clone, PartialEq)]
struct Word {
    key: Option<String>,
    text: String,
    /// Where it begins in the line, in bytes.
    at: usize,
}

/// The `data` of the interaction that sends this line, as Discord's client puts it together: by the commands that are
/// registered in this guild, or everywhere. Options are named (`env:staging`) or stand in their order; the last one takes
/// the rest of the line. With `partial`, the last option is still being typed, and required ones may be missing.
///
/// # Errors
/// When Discord would not let anybody send it.
pub fn data(state: &State, guild: &str, line: &str, partial: bool) -> Result<Value> {
    let line = line.strip_prefix('/').context("a command begins with a slash")?;
    let all = words(line);
    let first = all.first().context("there is nothing behind the slash")?;
    // A command without a type is one that is typed.
    let typed = |body: &Value| body["type"].as_u64().is_none_or(|kind| kind == 1);
    let here = |it: &&super::state::Command| typed(&it.body) && it.body["name"] == first.text.as_str();
    let in_guild = state.commands.iter().filter(|it| it.guild.as_deref() == Some(guild));
    let anywhere = state.commands.iter().filter(|it| it.guild.is_none());
    let command =
        in_guild.chain(anywhere).find(here).with_context(|| format!("no command `{}` is registered", first.text))?;
    let options = options(&command.body, line, &all[1..], partial)?;
    let mut data = json!({ "id": command.body["id"], "name": command.body["name"], "type": 1, "options": options });
    if let Some(guild) = &command.guild {
        data["guild_id"] = guild.as_str().into();
    }
    Ok(data)
}

/// The options that these words give a command, a group or a sub-command.
fn options(of: &Value, line: &str, words: &[Word], partial: bool) -> Result<Vec<Value>> {
    let known = of["options"].as_array().map_or(&[][..], Vec::as_slice);
    let nested = known.iter().any(|it| it["type"] == SUB_COMMAND || it["type"] == SUB_COMMAND_GROUP);
    if nested {
        let word = words.first().with_context(|| format!("`{}` alone can not be sent", of["name"]))?;
        let inner = known.iter().find(|it| it["name"] == word.text.as_str());
        let inner = inner.with_context(|| format!("{} has no `{}`", of["name"], word.text))?;
        let options = options(inner, line, &words[1..], partial)?;
        return Ok(vec![json!({ "type": inner["type"], "name": inner["name"], "options": options })]);
    }
    let mut given: Vec<Value> = Vec::new();
    let mut rest = words;
    while let Some((word, after)) = rest.split_first() {
        rest = after;
        let taken = |it: &Value| given.iter().any(|other| other["name"] == it["name"]);
        let named = word.key.as_deref().and_then(|key| known.iter().find(|it| it["name"] == key));
        let (option, text) = match named {
            Some(option) => (option, word.text.clone()),
            None => {
                let mut free = known.iter().filter(|it| !taken(it));
                let option = free.next().with_context(|| format!("there is no option for `{}`", word.text))?;
                let plain = option["type"] == STRING && option["choices"].is_null() && option["autocomplete"].is_null();
                let more = after.iter().all(|word| word.key.is_none()) && !after.is_empty();
                if plain && more && free.next().is_none() {
                    rest = &[];
                    (option, line[word.at..].trim_end().to_owned())
                } else {
                    (option, word.key.iter().map(|key| format!("{key}:")).collect::<String>() + &word.text)
                }
            }
        };
        ensure!(!taken(option), "the option {} is given twice", option["name"]);
        let typing = partial && rest.is_empty();
        given.push(value(option, &text, typing)?);
    }
    let missing = known.iter().find(|it| it["required"] == true && given.iter().all(|one| one["name"] != it["name"]));
    if partial {
        focus(known, &mut given, line);
    } else if let Some(missing) = missing {
        bail!("the option {} is required", missing["name"]);
    }
    Ok(given)
}

/// Behind a space, the next option is being typed, and nothing of it is there yet.
fn focus(known: &[Value], given: &mut Vec<Value>, line: &str) {
    if line.ends_with(' ') {
        given.iter_mut().filter_map(Value::as_object_mut).for_each(|it| _ = it.remove("focused"));
        let next = known.iter().find(|it| given.iter().all(|one| one["name"] != it["name"]));
        let next = next.map(|it| json!({ "type": it["type"], "name": it["name"], "value": "", "focused": true }));
        given.extend(next);
    }
}

/// The value of an option, as its type wants it.
fn value(option: &Value, text: &str, typing: bool) -> Result<Value> {
    let kind = option["type"].as_u64().unwrap_or(0);
    let mut value = match kind {
        // What is still being typed is a text, whatever it is to become.
        _ if typing => Value::from(text),
        STRING => text.into(),
        INTEGER => text.parse::<i64>().with_context(|| format!("`{text}` is no whole number"))?.into(),
        BOOLEAN => text.parse::<bool>().with_context(|| format!("`{text}` is neither true nor false"))?.into(),
        NUMBER => text.trim_end_matches('%').parse::<f64>().with_context(|| format!("`{text}` is no number"))?.into(),
        other => bail!("the stand-in does not know options of type {other}"),
    };
    let number = value.as_f64();
    for (bound, holds) in [("min_value", f64::ge as fn(&f64, &f64) -> bool), ("max_value", f64::le)] {
        if let (Some(number), Some(bound)) = (number, option[bound].as_f64()) {
            ensure!(holds(&number, &bound), "`{text}` is out of bounds");
        }
    }
    if let Some(choices) = option["choices"].as_array().filter(|choices| !choices.is_empty() && !typing) {
        let choice = choices.iter().find(|choice| choice["name"] == text || choice["value"] == text);
        value = choice.with_context(|| format!("`{text}` is no choice of {}", option["name"]))?["value"].clone();
    }
    let mut given = json!({ "type": kind, "name": option["name"], "value": value });
    if typing {
        given["focused"] = true.into();
    }
    Ok(given)
}

/// The words of a line; double quotes hold one together.
fn words(line: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut rest = line.char_indices().peekable();
    while let Some((at, first)) = rest.next_if(|(_, c)| c.is_whitespace()).or_else(|| rest.peek().copied()) {
        if first.is_whitespace() {
            continue;
        }
        let (mut raw, mut quoted, mut key) = (String::new(), false, None);
        while let Some((_, letter)) = rest.next_if(|(_, c)| quoted || !c.is_whitespace()) {
            match letter {
                '"' if quoted || raw.is_empty() => quoted = !quoted,
                '\\' if quoted => raw.extend(rest.next().map(|(_, letter)| letter)),
                ':' if key.is_none() && !quoted && raw.starts_with(char::is_alphabetic) && is_name(&raw) => {
                    key = Some(std::mem::take(&mut raw));
                }
                letter => raw.push(letter),
            }
        }
        words.push(Word { key, text: raw, at });
    }
    words
}

fn is_name(text: &str) -> bool {
    text.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_'))
}

#[cfg(test)]
mod tests {
    use super::options;
    use super::words;
    use serde_json::json;

    #[test]
    fn a_line_becomes_options() {
        let command = json!({ "name": "note", "options": [
            { "type": 1, "name": "add", "options": [
                { "type": 3, "name": "env", "required": true, "autocomplete": true },
                { "type": 4, "name": "count", "min_value": 1, "max_value": 9 },
                { "type": 3, "name": "because" },
            ] },
        ] });
        let given = |line: &str, partial: bool| {
            let options = options(&command, line, &words(line), partial)?;
            anyhow::Ok(options[0]["options"].as_array().cloned().unwrap_or_default())
        };
        for (line, expected) in [
            ("add staging", json!([["env", "staging", null]])),
            ("add env:staging count:2", json!([["env", "staging", null], ["count", 2, null]])),
            (
                "add staging 2 it is late",
                json!([["env", "staging", null], ["count", 2, null], ["because", "it is late", null]]),
            ),
            (r#"add staging because:"a \"b\" c""#, json!([["env", "staging", null], ["because", "a \"b\" c", null]])),
        ] {
            let short = |it: &serde_json::Value| json!([it["name"], it["value"], it["focused"]]);
            let given = given(line, false).unwrap();
            assert_eq!(given.iter().map(short).collect::<serde_json::Value>(), expected, "{line}");
        }
        for (line, wrong) in [
            ("add", "required"),
            ("remove x", "has no `remove`"),
            ("add staging x", "no whole number"),
            ("add staging 10", "out of bounds"),
            ("add staging env:staging", "given twice"),
        ] {
            let error = given(line, false).unwrap_err().to_string();
            assert!(error.contains(wrong), "{line}: {error}");
        }
        for (line, expected) in [
            ("add ", json!(["env", "", true])),
            ("add sta", json!(["env", "sta", true])),
            ("add staging ", json!(["count", "", true])),
            ("add staging because:la", json!(["because", "la", true])),
        ] {
            let given = given(line, true).unwrap();
            let last = given.last().unwrap();
            assert_eq!(json!([last["name"], last["value"], last["focused"]]), expected, "{line}");
        }
    }
}
