//! The argument vector of a task, whatever its arguments are.

use super::*;
use crate::run::settings::Settings;
use commands::plugin::Setup;
use std::time::Duration;

fn settings(command: &str) -> Settings {
    let text = format!(
        "environments = [\"staging\"]\n[run.tasks.tell]\ncommand = {command}\nargs = [\n\
         {{ name = \"env\", kind = \"environment\", required = true }},\n\
         {{ name = \"wait\", kind = \"duration\", default = \"90s\" }},\n\
         {{ name = \"how\", kind = \"choice\", choices = [\"--fast\", \"--safe\"] }},\n\
         {{ name = \"count\", kind = \"integer\", min = -5 }},\n\
         {{ name = \"words\", kind = \"text\" }},\n]"
    );
    let (config, problems) = config::parse(&text, "deckhand.toml", std::path::Path::new("/srv"), &|_| None);
    let settings = Settings::read(&Setup { name: "run", config: &config, problems: problems.clone() });
    assert!(problems.is_empty(), "{problems}");
    settings
}

fn argv(command: &str, given: &[(&'static str, Value)]) -> std::result::Result<Vec<String>, String> {
    let settings = settings(command);
    let task = &settings.tasks[0];
    let mut values =
        vec![("env", Value::Text("staging".to_owned())), ("wait", Value::Duration(Duration::from_secs(90)))];
    values.extend_from_slice(given);
    let asked = Asked { task, values, service: None, environment: None, why: String::new() };
    asked.argv().map_err(|stop| stop.to_string())
}

#[test]
fn every_argument_stays_within_its_element() {
    let text = |text: &str| Value::Text(text.to_owned());
    let words = |words: &[&str]| Ok(words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
    let hostile = "a b; rm -rf / $(id) `id` \"'{env}";
    let both = "[\"./tell\", \"{env}\", \"--wait={wait}\", \"--words={words}\"]";
    assert_eq!(argv(both, &[]), words(&["./tell", "staging", "--wait=90"]), "what was left out takes its word with it");
    assert_eq!(
        argv(both, &[("words", text(hostile))]),
        words(&["./tell", "staging", "--wait=90", &format!("--words={hostile}")])
    );
    assert_eq!(argv(both, &[("words", text("-x"))]), words(&["./tell", "staging", "--wait=90", "--words=-x"]));
    let refused =
        |told: std::result::Result<Vec<String>, String>| told.is_err_and(|told| told.contains("for an option"));
    let bare = "[\"./tell\", \"{words}\"]";
    assert!(refused(argv(bare, &[("words", text("--force"))])));
    assert!(refused(argv("[\"./tell\", \"{words}/{env}\"]", &[("words", text("-f"))])));
    assert_eq!(argv(bare, &[("words", text("a -f"))]), words(&["./tell", "a -f"]));
    let ended = "[\"./tell\", \"--\", \"{words}\", \"{count}\"]";
    assert_eq!(
        argv(ended, &[("words", text("--force")), ("count", Value::Integer(-2))]),
        words(&["./tell", "--", "--force", "-2"])
    );
    assert_eq!(argv("[\"./tell\", \"{how}\"]", &[("how", text("--fast"))]), words(&["./tell", "--fast"]));
}
