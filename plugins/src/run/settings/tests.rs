//! Every mistake in a runbook is told where it stands.

use super::*;

/// What is wrong with these lines of `[run]`, and the tasks that come of them.
fn read(lines: &str) -> (Settings, String) {
    let text = format!("environments = [\"staging\", \"live\"]\n[services.hello]\n[run]\n{lines}");
    let (config, problems) = config::parse(&text, "deckhand.toml", std::path::Path::new("/srv"), &|_| None);
    let settings = Settings::read(&Setup { name: "run", config: &config, problems: problems.clone() });
    (settings, problems.to_string())
}

const RESTART: &str = "[run.tasks.restart]\nabout = \"Restart\"\n";

#[test]
fn a_task_is_a_command_with_its_required_arguments_first_and_a_reason() {
    let (settings, wrong) = read(
        "[run.tasks.restart-workers]\nabout = \"Restart the workers\"\ncommand = [\"./restart\", \"{env}\", \"{count}\"]\nargs = [\n\
         { name = \"count\", kind = \"integer\", min = 1, max = 20, default = 3, about = \"How many\" },\n\
         { name = \"env\", kind = \"environment\", required = true, about = \"Where\" },\n]\n\
         undo = \"run start-workers env:{env} count:{count}\"",
    );
    assert_eq!(wrong, "");
    let task = &settings.tasks[0];
    assert_eq!(
        (task.spec.name, task.spec.about, task.verb),
        ("run restart-workers", "Restart the workers", "run.restart-workers")
    );
    let args: Vec<_> = task.spec.args.iter().map(|arg| (arg.name, arg.required, arg.about)).collect();
    let expected =
        [("env", true, "Where"), ("count", false, "How many (3 if left out)"), (BECAUSE, false, "Why, for the ledger")];
    assert_eq!(args, expected);
    assert_eq!(task.spec.args[1].kind, Kind::Integer(1, 20));
    assert_eq!(task.spec.examples, ["run restart-workers env:staging count:3"]);
    assert_eq!(task.undo_line.as_ref().map(|line| line.text.as_str()), Some("run start-workers env:staging count:3"));
}

#[test]
fn mistakes_are_told_with_what_to_write() {
    let arg = |arg: &str| format!("{RESTART}command = [\"./x\", \"{{it}}\"]\nargs = [{{ name = \"it\", {arg} }}]");
    for (lines, told) in [
        (RESTART.to_owned(), "has no `command`"),
        (format!("{RESTART}command = [\"{{env}}\"]"), "nothing stands for `{env}`; write one of `{because}`"),
        (arg("kind = \"text\"").replace("./x", "{it}"), "the program itself can not be an argument"),
        (arg("kind = \"integer\", min = -1"), "`it` may be below zero, and a program takes `-1` for an option"),
        (arg("kind = \"integer\", min = -1").replace("{it}", "--it={it}"), ""),
        (arg("kind = \"integer\", min = -1").replace("\"{it}", "\"--\", \"{it}"), ""),
        (arg("kind = \"integer\", min = 5, max = 2"), "no number is that small and that great"),
        (
            arg("kind = \"integer\", min = 1, max = 2, default = 3"),
            "`3` does not fit here; write a whole number from 1 to 2",
        ),
        (arg("kind = \"integr\""), "`integr` is no `kind`; write `integer`"),
        (arg("about = \"What\""), "has no `kind`"),
        (arg("kind = \"environment\", default = \"live\""), "what a task changes is always said"),
        (arg("kind = \"text\", required = true, default = \"x\""), "an argument that must be given has no default"),
        (arg("kind = \"choice\""), "has no `choices`"),
        (arg("kind = \"choice\", choices = [\"--fast\", \"\"]"), "a choice is empty, or too long"),
        (arg("kind = \"text\", requried = true"), "has no setting `requried`; write `required`"),
        (arg("kind = \"text\", about = \"lower\""), "`about` is not 1 to 100 characters that begin with a capital"),
        (arg("kind = \"text\"").replace("\"it\"", "\"It\""), "`It` can not be the name of an argument"),
        (format!("{}\nundo = \"run x {{other}}\"", arg("kind = \"text\"")), "nothing stands for `{other}`"),
        ("[run.tasks.list]\ncommand = [\"./x\"]".to_owned(), "`/run list` is Deckhand's own command"),
        ("[run.tasks.Big]\ncommand = [\"./x\"]".to_owned(), "`Big` can not be the name of a task"),
        (
            (0..24).map(|n| format!("[run.tasks.t{n}]\ncommand = [\"./x\"]\n")).collect(),
            "there are 24 tasks, and may be 23",
        ),
    ] {
        let found = read(&lines).1;
        assert!(if told.is_empty() { found.is_empty() } else { found.contains(told) }, "{lines}\n{found}");
    }
}
