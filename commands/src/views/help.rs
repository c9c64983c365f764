//! Help in chat: what one can say, and how to say one command.

use super::{does, fits};
use crate::reply::{Button, Reply, Tone};
use crate::spec::CommandSpec;

/// How many commands stand on a page: what a phone shows with little scrolling.
const PAGE: usize = 10;

/// The heading over the commands of one word.
const ALONE: &str = "general";

/// How a command is written, in one line: `deploy ship service env ref [because]`.
pub fn usage(command: &CommandSpec) -> String {
    let args =
        command.args.iter().map(|arg| if arg.required { format!(" {}", arg.name) } else { format!(" [{}]", arg.name) });
    args.fold(command.name.to_owned(), |line, arg| line + &arg)
}

/// The commands that the asker may say, a page of them, group by group. A page beyond the last one is the last.
pub fn overview(commands: &[&'static CommandSpec], page: usize) -> Reply {
    let groups = groups(commands);
    let sorted: Vec<_> =
        groups.iter().flat_map(|(group, members)| members.iter().map(move |command| (*group, *command))).collect();
    let pages = sorted.len().div_ceil(PAGE).max(1);
    let page = page.clamp(1, pages);
    let Some((_, first)) = sorted.first() else {
        return Reply::say("There is nothing here that you may say. `/whoami` shows who Deckhand takes you for.");
    };
    let title =
        if pages == 1 { "What you can say".to_owned() } else { format!("What you can say ({page} of {pages})") };
    let text = format!("`/help {}` explains a command.", first.name);
    let mut reply = Reply::card(Tone::Plain, title, text);
    let shown = &sorted[(page - 1) * PAGE..sorted.len().min(page * PAGE)];
    for group in shown.chunk_by(|(one, _), (other, _)| one == other) {
        let lines: Vec<_> =
            group.iter().map(|(_, command)| format!("`/{}` {}", usage(command), command.about)).collect();
        reply = reply.field(group[0].0, lines.join("\n"));
    }
    if page < pages {
        let line = match &groups[..] {
            [(group, _)] if *group != ALONE => format!("help command:{group} page:{}", page + 1),
            _ => format!("help page:{}", page + 1),
        };
        reply = reply.button(Button::new("Next", line));
    }
    reply
}

/// The commands by their first word, in the order in which the groups come first.
fn groups<'a>(commands: &[&'a CommandSpec]) -> Vec<(&'a str, Vec<&'a CommandSpec>)> {
    let mut groups: Vec<(&str, Vec<&CommandSpec>)> = Vec::new();
    for command in commands {
        let group = command.name.split_once(' ').map_or(ALONE, |(group, _)| group);
        match groups.iter_mut().find(|(known, _)| *known == group) {
            Some((_, members)) => members.push(command),
            None => groups.push((group, vec![command])),
        }
    }
    groups
}

/// How to say one command: its arguments, what it does, and examples.
pub fn command(command: &CommandSpec) -> Reply {
    let mut lines = vec![
        format!("{}. {}", command.about.trim_end_matches('.'), does(command.effect)),
        format!("`/{}`", usage(command)),
    ];
    if !command.args.is_empty() {
        let how = "What stands in brackets may be left out. Every argument may be given by its name: `name:value`.";
        lines.push(how.to_owned());
    }
    lines.push("For example:".to_owned());
    lines.extend(command.examples.iter().map(|example| format!("`/{example}`")));
    let reply = Reply::card(Tone::Plain, format!("/{}", command.name), lines.join("\n"));
    if command.args.is_empty() {
        return reply;
    }
    let name = |name: &str, required| if required { name.to_owned() } else { format!("[{name}]") };
    let rows = command.args.iter().map(|arg| [name(arg.name, arg.required), fits(arg.kind), arg.about.to_owned()]);
    reply.table(["argument", "write", "what it is"], rows.collect())
}

#[cfg(test)]
mod tests {
    use super::{command, overview, usage};
    use crate::parse::parse;
    use crate::reply::Reply;
    use crate::sample;
    use crate::spec::{CommandSpec, Effect, Need};

    const fn plain(name: &'static str) -> CommandSpec {
        CommandSpec {
            name,
            about: "Do it",
            args: &[],
            need: Need::Rule,
            effect: Effect::Reads,
            urgent: false,
            on_message: None,
            examples: &["x"],
        }
    }

    static MANY: [CommandSpec; 12] = [
        plain("job a"),
        plain("job b"),
        plain("job c"),
        plain("job d"),
        plain("job e"),
        plain("job f"),
        plain("job g"),
        plain("job h"),
        plain("job i"),
        plain("job j"),
        plain("job k"),
        plain("job l"),
    ];

    fn shown(reply: &Reply) -> String {
        let mut shown = format!("# {}\n{}\n", reply.card.as_ref().map_or("", |card| &card.title), reply.text);
        for field in &reply.fields {
            shown += &format!("## {}\n{}\n", field.name, field.value);
        }
        for row in reply.table.iter().flat_map(|table| std::iter::once(&table.head).chain(&table.rows)) {
            shown += &format!("{}\n", row.join(" | "));
        }
        for button in &reply.buttons {
            shown += &format!("[{}] {}\n", button.label, button.line);
        }
        shown
    }

    #[test]
    fn the_overview_shows_groups() {
        let all: Vec<_> = sample::registry().iter().collect();
        let expected = "\
# What you can say
`/help help` explains a command.
## general
`/help [command] [page]` Show what you can say
`/changes since [person]` Show what has changed since a moment
## deploy
`/deploy ship service env ref [because]` Put a version of a service somewhere
`/deploy lock service env because [for]` Keep everyone from deploying a service
## flag
`/flag rollout set flag share [sticky]` Set for how many people a flag is on
";
        assert_eq!(shown(&overview(&all, 1)), expected);
        let nothing = overview(&[], 1);
        assert_eq!(nothing.text, "There is nothing here that you may say. `/whoami` shows who Deckhand takes you for.");
    }

    #[test]
    fn a_long_overview_has_pages_and_next_leads_on() {
        let commands =
            |count: usize| MANY.iter().take(count).chain(sample::registry().iter().take(1)).collect::<Vec<_>>();
        let names = |reply: &Reply| reply.fields.iter().map(|field| field.value.lines().count()).sum::<usize>();
        let (twelve, next) = (commands(12), "help page:2");
        for (page, count, title, button) in [
            (0, 10, "What you can say (1 of 2)", Some(next)),
            (1, 10, "What you can say (1 of 2)", Some(next)),
            (2, 3, "What you can say (2 of 2)", None),
            (usize::MAX, 3, "What you can say (2 of 2)", None),
        ] {
            let reply = overview(&twelve, page);
            assert_eq!(names(&reply), count, "{page}");
            assert_eq!(reply.card.as_ref().map(|card| card.title.as_str()), Some(title), "{page}");
            assert_eq!(reply.buttons.first().map(|button| button.line.as_str()), button, "{page}");
        }
        let group: Vec<_> = MANY.iter().collect();
        assert_eq!(overview(&group, 1).buttons[0].line, "help command:job page:2");
        assert_eq!(overview(&group[..10], 1).buttons, []);
        assert_eq!(overview(&commands(9), 1).buttons, []);
        assert!(parse(next, &sample::registry(), &sample::vocabulary(), sample::now()).is_ok());
    }

    #[test]
    fn one_command_is_explained() {
        let registry = sample::registry();
        let lock = registry.find("deploy lock").expect("a command");
        let expected = "\
# /deploy lock
Keep everyone from deploying a service. It changes something that is hard to take back, so it asks for a yes first; the ledger keeps it.
`/deploy lock service env because [for]`
What stands in brackets may be left out. Every argument may be given by its name: `name:value`.
For example:
`/deploy lock hello staging the database moves for:2h`
argument | write | what it is
service | a service | Which service
env | an environment | Where to
because | any text | Why
[for] | `90s`, `15m`, `1h30m`, `7d` | For how long
";
        assert_eq!(shown(&command(lock)), expected);
        assert_eq!(command(&MANY[0]).table, None);
        assert_eq!(usage(lock), "deploy lock service env because [for]");
    }
}
