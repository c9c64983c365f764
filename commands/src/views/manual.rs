//! The commands as pages of the manual, in Markdown.

use super::{does, fits, help, may};
use crate::spec::{ArgSpec, CommandSpec, PluginSpec};

/// The files of `docs/commands`: a page for each command, and one that lists them all by plugin.
pub fn pages<'a>(plugins: impl IntoIterator<Item = &'a PluginSpec>) -> Vec<(String, String)> {
    let mut list = "# Commands\n".to_owned();
    let mut pages = Vec::new();
    for plugin in plugins {
        list += &format!("\n## {}\n\n{}\n\n", escape(plugin.name), escape(plugin.about));
        for command in plugin.commands {
            let file = format!("{}.md", command.name.replace(' ', "-"));
            list += &format!("- [`/{}`]({file}): {}\n", help::usage(command), escape(command.about));
            pages.push((file, page(command)));
        }
    }
    pages.push(("README.md".to_owned(), list));
    pages
}

fn page(command: &CommandSpec) -> String {
    let about = escape(command.about.trim_end_matches('.'));
    let mut section = format!("# /{}\n\n{about}.\n\n    /{}\n", command.name, help::usage(command));
    if !command.args.is_empty() {
        section += "\n| argument | write | what it is |\n| --- | --- | --- |\n";
        section.extend(command.args.iter().map(row));
    }
    section += &format!("\n{} {}\n\nFor example:\n\n", does(command.effect), may(command.need));
    section.extend(command.examples.iter().map(|example| format!("    /{example}\n")));
    section
}

fn row(arg: &ArgSpec) -> String {
    let optional = if arg.required { "" } else { " (optional)" };
    format!("| `{}`{optional} | {} | {} |\n", arg.name, fits(arg.kind).replace('|', "\\|"), escape(arg.about))
}

/// Plain text as Markdown that shows it to the letter, in a table too.
fn escape(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, letter| {
        if "\\`*_[]<>|#".contains(letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::{escape, page};
    use crate::sample;

    #[test]
    fn a_command_has_a_page() {
        let registry = sample::registry();
        let expected = "\
# /deploy ship

Put a version of a service somewhere.

    /deploy ship service env ref [because]

| argument | write | what it is |
| --- | --- | --- |
| `service` | a service | Which service |
| `env` | an environment | Where to |
| `ref` | a tag, a branch or a commit | A tag, a branch or a commit |
| `because` (optional) | any text | Why, for those who read the ledger |

It changes something, which the ledger keeps. Whom a rule of the policy allows may say it.

For example:

    /deploy ship hello staging v2
    /deploy ship hello production v2 because:\"the fix\"
";
        assert_eq!(page(registry.find("deploy ship").expect("a command")), expected);
    }

    #[test]
    fn nothing_in_a_description_is_markup() {
        assert_eq!(escape("a|b *c* <d> [e] `f` g_h \\"), r"a\|b \*c\* \<d\> \[e\] \`f\` g\_h \\");
        assert_eq!(escape("한글, to 100%"), "한글, to 100%");
    }
}
