//! What the operator wrote about post-mortems.

use super::form::{self, Asked};
use super::hints::{self, Hints, Lists};
use super::records::Issue;
use crate::github::{self, GitHub};
use commands::ledger::Place;
use commands::plugin::Setup;
use config::{Section, quoted};
use std::collections::BTreeMap;

/// The whole of it.
#[derive(Default)]
pub struct Settings {
    /// Where is reminded; where it was started, if nothing is named.
    pub tell: Vec<Place>,
    /// The sections, in their order.
    pub sections: Vec<Asked>,
    /// The hints; none where they are turned off.
    pub hints: Option<Hints>,
    /// Who may lead the meeting, the first who took no part in the response.
    pub facilitators: Vec<String>,
    /// The people of the config, whose names do not stand in what is published.
    pub people: Vec<String>,
    /// Which roles and people own each service: its team.
    pub teams: BTreeMap<String, Vec<String>>,
    /// Where it is published.
    pub publish: Option<Publish>,
    /// Where action items become issues.
    pub tracker: Option<Tracker>,
    /// What people are called at GitHub, where that is no secret.
    pub logins: BTreeMap<String, String>,
}

/// A repository at GitHub in which action items become issues.
pub struct Tracker {
    /// GitHub.
    pub github: GitHub,
    /// `owner/name`.
    pub repository: String,
    /// What people are called there: they are assigned. Of others, nobody reads a name.
    pub logins: BTreeMap<String, String>,
}

impl Tracker {
    /// Where people find an issue.
    pub fn address(&self, issue: &Issue) -> Option<String> {
        Some(self.github.page(&format!("/{}/issues/{}", issue.repository, issue.number?)))
    }
}

/// What becomes of a post-mortem that is published, beside its file in the thread.
pub enum How {
    /// A commit on a branch of its own.
    Branch,
    /// The same, and a pull request in this repository at GitHub, `owner/name`.
    PullRequest(GitHub, String),
    /// An issue of this repository at GitHub, and no commit.
    Issue(GitHub, String),
}

/// Where post-mortems are published.
pub struct Publish {
    /// As what.
    pub how: How,
    /// A URL that git knows, or an absolute path; empty where no commit is made.
    pub repository: String,
    /// Whether people's names stay in it.
    pub names: bool,
    /// The branch that each starts from.
    pub base: String,
    /// The folder in it.
    pub folder: String,
    /// Whose name stands in the commits, and their address.
    pub author: (String, String),
}

impl Publish {
    /// What is said of names in it, after a comma.
    pub fn of_names(&self) -> &'static str {
        if self.names { "names and all" } else { "with roles in the place of names" }
    }
}

impl Settings {
    /// Reads it, noting every mistake.
    pub fn read(setup: &Setup<'_>) -> Settings {
        let people: Vec<_> = setup.config.people.keys().cloned().collect();
        let services = setup.config.services.iter();
        let teams = services.map(|(name, service)| (name.clone(), service.owners.clone())).collect();
        let mut settings = Settings { sections: form::usual(), people, teams, ..Settings::default() };
        let Some(section) = setup.section() else { return settings };
        settings.tell = setup.places(&section, "channel");
        settings.sections = form::read(&section);
        settings.facilitators = section.names("facilitators", "person", &settings.people);
        settings.hints = hints(&section, &settings.people);
        let github = section.table("github").map(|own| at_github(own, &mut settings));
        settings.publish = section.table("publish").map(|own| publish(own, github));
        section.finish();
        settings
    }

    /// The section of this name.
    pub fn section(&self, name: &str) -> Option<&Asked> {
        let wanted = name.to_lowercase();
        self.sections.iter().find(|section| section.name == wanted || section.title.to_lowercase() == wanted)
    }
}

fn hints(section: &Section<'_>, people: &[String]) -> Option<Hints> {
    if section.boolean("hints") == Some(false) {
        return None;
    }
    let mut lists = Lists { names: people.to_vec(), ..Lists::default() };
    if let Some(own) = section.table("wording") {
        lists.people = own.texts("people");
        lists.words = own.texts("words");
        lists.off = own.texts("off");
        let known = hints::names();
        for wrong in lists.off.iter().filter(|off| !known.contains(&off.as_str())) {
            own.problem(
                "off",
                format!("there is no hint {}", quoted(wrong)),
                format!("write some of: {}", known.join(", ")),
            );
        }
        for (key, words) in [("people", &lists.people), ("words", &lists.words)] {
            if words.iter().any(|word| word.trim().is_empty()) {
                own.problem(key, "there is nothing in one of its texts", "write a word, or take it out");
            }
        }
        own.finish();
    }
    Some(Hints::new(lists))
}

/// Reads `[postmortems.github]`: who Deckhand is there, and where action items become issues.
fn at_github(section: Section<'_>, settings: &mut Settings) -> GitHub {
    let github = GitHub::read(&section, "postmortems.github");
    if let Some(own) = section.table("logins") {
        settings.logins = settings.people.iter().filter_map(|name| Some((name.clone(), own.text(name)?))).collect();
        for (name, login) in &settings.logins {
            if login.is_empty() || !login.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
                own.problem(name, format!("{} is nobody's name at GitHub", quoted(login)), "write it without the `@`");
            }
        }
        own.finish();
    }
    if let Some(repository) = name_at_github(&section, "issues") {
        let logins = settings.logins.clone();
        settings.tracker = Some(Tracker { github: github.clone(), repository, logins });
    }
    section.finish();
    github
}

/// The name of a repository at GitHub, where one is written.
fn name_at_github(section: &Section<'_>, key: &str) -> Option<String> {
    let written = section.text(key)?;
    if !github::is_name(&written) {
        section.problem(key, format!("{} is no repository's name", quoted(&written)), "write it as in `owner/name`");
    }
    Some(written)
}

/// What `as` asks for, with what that needs.
fn how(section: &Section<'_>, wanted: Option<&str>, repository: &str, github: Option<GitHub>) -> How {
    let name = name_at_github(section, "github").or_else(|| github::named_by(repository).map(str::to_owned));
    let is_issue = match wanted {
        Some("pull-request") => false,
        Some("issue") => true,
        _ => return How::Branch,
    };
    if github.is_none() {
        let instead = "write a section `[postmortems.github]` with `token = \"${GITHUB_TOKEN}\"`";
        section.problem("as", "GitHub is to be asked for it, and there is no token for it", instead);
    }
    if name.is_none() {
        section.problem("as", "it is not known which repository it is at GitHub", "write `github = \"owner/name\"`");
    }
    match (github, name) {
        (Some(github), Some(name)) if is_issue => How::Issue(github, name),
        (Some(github), Some(name)) => How::PullRequest(github, name),
        _ => How::Branch,
    }
}

fn publish(section: Section<'_>, github: Option<GitHub>) -> Publish {
    let wanted = section.choice("as", &["branch", "pull-request", "issue"]);
    let is_issue = wanted.as_deref() == Some("issue");
    let repository = if is_issue { String::new() } else { section.required_text("repository") };
    let is_path = !repository.contains(':');
    if !repository.is_empty() && is_path && !repository.starts_with('/') {
        let what = format!("{} is neither an address nor an absolute path", quoted(&repository));
        section.problem("repository", what, "write for example `https://git.example/postmortems.git`");
    }
    let how = how(&section, wanted.as_deref(), &repository, github);
    let folder = section.text("folder").unwrap_or_else(|| "postmortems".to_owned());
    let plain = |part: &str| !part.is_empty() && !part.starts_with(['.', '-']) && part.bytes().all(is_plain);
    if !folder.split('/').all(plain) {
        let what = format!("{} can not be a folder of the repository", quoted(&folder));
        section.problem("folder", what, "write for example `docs/postmortems`");
    }
    let base = section.text("branch").unwrap_or_else(|| "main".to_owned());
    if !base.split('/').all(plain) {
        let what = format!("{} can not be a branch", quoted(&base));
        section.problem("branch", what, "write the name of the branch that they start from: `main`");
    }
    let name = section.text("author").unwrap_or_else(|| "Deckhand".to_owned());
    let address = section.text("email").unwrap_or_else(|| "deckhand@localhost".to_owned());
    for (key, text) in [("author", &name), ("email", &address)] {
        if text.contains(['<', '>', '\n']) || text.trim().is_empty() {
            section.problem(key, format!("{} can not stand in a commit", quoted(text)), "write it without `<` and `>`");
        }
    }
    let names = section.boolean("names").unwrap_or_default();
    section.finish();
    Publish { how, repository, names, base, folder, author: (name, address) }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with these lines of `[postmortems]`.
    fn wrong(lines: &str) -> String {
        let text = format!("environments = [\"live\"]\n[services.hello]\n[people.ana]\n[postmortems]\n{lines}");
        let (config, problems) = config::parse(&text, "deckhand.toml", std::path::Path::new("/srv"), &|_| None);
        Settings::read(&Setup { name: "postmortems", config: &config, problems: problems.clone() });
        problems.to_string()
    }

    #[test]
    fn mistakes_are_told_with_what_to_write() {
        let section =
            |lines: &str| wrong(&format!("[[postmortems.sections]]\nname = \"what\"\ntitle = \"What\"\n{lines}"));
        let github = |lines: &str| wrong(&format!("[postmortems.github]\ntoken = \"t\"\n{lines}"));
        for (found, told) in [
            (wrong(""), ""),
            (wrong("channel = \"opps\""), "there is no channel `opps`"),
            (wrong("facilitators = [\"bob\"]"), "there is no person `bob`"),
            (
                wrong("[postmortems.wording]\noff = [\"blamee\"]"),
                "there is no hint `blamee`; write some of: animated, blame",
            ),
            (wrong("[postmortems.wording]\nwords = [\" \"]"), "there is nothing in one of its texts"),
            (section("template = \"{{ title }}\"\nabout = \"luck\"\nasks = \"What?\""), ""),
            (section("template = '''\n{{ title }}\n{% for x %}\n'''"), "in its line 2"),
            (section("about = \"fate\""), "`fate` is no `about`"),
            (section("[[postmortems.sections]]\nname = \"what\"\ntitle = \"Again\""), "there are two sections `what`"),
            (
                wrong("[[postmortems.sections]]\nname = \"a b\"\ntitle = \"A\""),
                "`a b` can not be the name of a section",
            ),
            (
                wrong("[postmortems.publish]\nrepository = \"docs\""),
                "`docs` is neither an address nor an absolute path",
            ),
            (wrong("[postmortems.publish]\nrepository = \"/srv/d\"\nfolder = \"../x\""), "`../x` can not be a folder"),
            (wrong("[postmortems.publish]\nrepository = \"/srv/d\"\nbranch = \"-x\""), "`-x` can not be a branch"),
            (
                wrong("[postmortems.publish]\nrepository = \"/srv/d\"\nauthor = \"<x>\""),
                "`<x>` can not stand in a commit",
            ),
            (wrong("[postmortems.publish]"), "has no `repository`"),
            (wrong("[postmortems.publish]\nrepository = \"/d\"\nas = \"pull-request\""), "there is no token for it"),
            (
                github("[postmortems.publish]\nrepository = \"/d\"\nas = \"pull-request\""),
                "which repository it is at GitHub",
            ),
            (github("[postmortems.publish]\nrepository = \"git@github.com:a/b.git\"\nas = \"pull-request\""), ""),
            (github("[postmortems.publish]\nas = \"issue\"\ngithub = \"acme/hello\""), ""),
            (github("[postmortems.publish]\nas = \"issue\"\ngithub = \"acme\""), "`acme` is no repository's name"),
            (github("issues = \"acme/hello\"\n[postmortems.github.logins]\nana = \"ana-a\""), ""),
            (github("[postmortems.github.logins]\nana = \"@ana\""), "`@ana` is nobody's name at GitHub"),
            (github("[postmortems.github.logins]\nbob = \"bob\""), "has no setting `bob`"),
            (github("isues = \"acme/hello\""), "has no setting `isues`"),
            (wrong("chanel = \"ops\""), "has no setting `chanel`"),
        ] {
            assert!(if told.is_empty() { found.is_empty() } else { found.contains(told) }, "{told}\n{found}");
        }
    }
}
