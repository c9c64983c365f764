//! `/flag token`: making, listing and revoking what applications show to be served.

use super::Serving;
use super::tokens::{self, Kind, TOKENS, Token};
use commands::act::Act;
use commands::complete::Choice;
use commands::cx::{Cx, Ports};
use commands::parse::quote;
use commands::registry;
use commands::reply::{Button, Look, Reply, Tone};
use commands::spec::{ArgSpec, CommandSpec, Effect, Kind as ArgKind};
use commands::stop::{Result, Stop};
use commands::text;
use serde::Deserialize;

/// What makes a token.
pub const MAKE: CommandSpec = CommandSpec {
    name: "flag token make",
    about: "Make a token, by which an application is served; it is shown once, to you alone",
    args: &[
        ArgSpec::required("name", ArgKind::Text, "What it is called: best after the application"),
        ArgSpec::required("env", ArgKind::Environment, "Whose flags it shows"),
        ArgSpec::required(
            "kind",
            ArgKind::Choice(Kind::WORDS),
            "For servers (backend), or for pages and apps (frontend)",
        ),
        ArgSpec::optional("project", ArgKind::Text, "Only this project's flags; all of them if left out"),
    ],
    examples: &[
        "flag token make web production frontend",
        "flag token make name:api env:staging kind:backend project:default",
    ],
    ..CommandSpec::CHANGES
};

/// What lists them.
pub const LIST: CommandSpec = CommandSpec {
    name: "flag token list",
    about: "Show which tokens are good, for what, and when each was last used",
    examples: &["flag token list"],
    ..CommandSpec::READS
};

/// What makes one good for nothing. One that has leaked can not wait for anything.
pub const REVOKE: CommandSpec = CommandSpec {
    name: "flag token revoke",
    about: "Make a token good for nothing, at once",
    args: &[ArgSpec::required("which", ArgKind::Text, "The token's name")],
    effect: Effect::Danger,
    urgent: true,
    examples: &["flag token revoke web"],
    ..CommandSpec::CHANGES
};

/// All projects.
const ALL: &str = "*";

#[derive(Deserialize)]
struct MakeArgs {
    name: String,
    env: String,
    kind: String,
    project: Option<String>,
}

#[derive(Deserialize)]
struct RevokeArgs {
    which: String,
}

impl Serving {
    /// Carries out one of the three.
    ///
    /// # Errors
    /// As [`commands::plugin::Plugin::run`].
    pub async fn run(&self, cx: &Cx, projects: &[String]) -> Result<Reply> {
        match cx.command() {
            "flag token make" => make(cx, projects).await,
            "flag token list" => self.list(cx).await,
            _ => self.revoke(cx).await,
        }
    }

    /// The tokens that may be named.
    pub async fn tokens(&self, ports: &Ports) -> Vec<Choice> {
        let all = self.keyring.all(&*ports.store).await.unwrap_or_default();
        all.iter().map(|known| Choice::new(&*known.name, about(&known.token))).collect()
    }

    async fn list(&self, cx: &Cx) -> Result<Reply> {
        let all = self.keyring.all(cx.store()).await?;
        if all.is_empty() {
            return Ok(Reply::say("There is no token, so no application is served. `/flag token make` makes one."));
        }
        let used = |used: Option<_>| match used {
            Some(at) => text::ago(at, cx.now()),
            None => "not since the start".to_owned(),
        };
        let rows = all.iter().map(|known| {
            let token = &known.token;
            let made = format!("{}, {}", text::plain(&token.made_by), text::ago(token.made, cx.now()));
            [format!("`{}`", known.name), about(token), made, used(known.used())]
        });
        let says = format!(
            "{} good.",
            if all.len() == 1 { "1 token is".to_owned() } else { format!("{} tokens are", all.len()) }
        );
        Ok(Reply::card(Tone::Plain, "Tokens", says).table(["Name", "For", "Made", "Used"], rows.collect()))
    }

    async fn revoke(&self, cx: &Cx) -> Result<Reply> {
        let RevokeArgs { which: name } = cx.args()?;
        let Some(found) = known(&name).then_some(TOKENS.get(cx.store(), &name).await?).flatten() else {
            return Err(self.unknown(cx, &name).await?);
        };
        let token = found.value;
        let act = Act {
            verb: "flags.token.revoke",
            object: name.clone(),
            environment: Some(token.environment.clone()),
            says: format!(
                "Make the token `{name}` ({}) good for nothing: applications that show it are served no more, and use what they know.",
                about(&token)
            ),
            facts: vec![("made by", token.made_by.clone()), ("digest", token.digest[..12].to_owned())],
            ..Act::default()
        };
        cx.act(act, async |permit| {
            permit.expect(TOKENS.key(&name), found.version);
            permit.delete(TOKENS.key(&name));
            Ok(())
        })
        .await?;
        let text = "Whatever shows it is refused from now on. There is no way back: `/flag token make` makes another.";
        Ok(Reply::card(Tone::Good, format!("Token {name} is revoked"), text))
    }

    async fn unknown(&self, cx: &Cx, name: &str) -> Result<Stop> {
        let all = self.keyring.all(cx.store()).await?;
        let names: Vec<_> = all.iter().map(|known| known.name.as_str()).collect();
        let instead = match names[..] {
            [] => "There is none at all.".to_owned(),
            _ => format!("These are good: {}.", text::list(&names)),
        };
        Ok(Stop::refuse(format!("There is no token {}, so nothing was revoked. {instead}", text::code(name))))
    }
}

async fn make(cx: &Cx, projects: &[String]) -> Result<Reply> {
    let MakeArgs { name, env, kind, project } = cx.args()?;
    if !known(&name) {
        let what = "can not be the name of a token. Say up to 32 of a-z, 0-9 and `-`, a letter first";
        return Err(Stop::refuse(format!("{} {what}: `/flag token make web {env} {kind}`.", text::code(&name))));
    }
    let project = project.unwrap_or_else(|| ALL.to_owned());
    if project != ALL && !projects.contains(&project) {
        let (what, list) = (text::code(&project), text::list(projects));
        return Err(Stop::refuse(format!("There is no project {what}. Say {list}, or leave it out for all.")));
    }
    let before = TOKENS.get(cx.store(), &name).await?;
    if let Some(before) = before {
        return Err(Reply::refuse(format!(
            "There is a token `{name}` already ({}), and none was made. Say another name, or revoke it first.",
            about(&before.value)
        ))
        .button(Button::new("Revoke it", revoke_line(&name)).look(Look::Danger))
        .into());
    }
    let secret = tokens::make(&project, &env)?;
    let kind = Kind::of(&kind).unwrap_or(Kind::Frontend);
    let token = Token {
        project,
        environment: env.clone(),
        kind,
        digest: tokens::digest(&secret),
        made_by: cx.who().to_owned(),
        made: cx.now(),
    };
    let act = Act {
        verb: "flags.token.make",
        object: name.clone(),
        environment: Some(env),
        says: format!("Make a token `{name}` for {}.", about(&token)),
        facts: vec![("kind", kind.word().to_owned()), ("project", token.project.clone())],
        undo: Some(revoke_line(&name)),
        ..Act::default()
    };
    cx.act(act, async |permit| {
        permit.expect(TOKENS.key(&name), 0);
        TOKENS.put(permit, &name, &token)?;
        permit.note(about(&token));
        Ok(())
    })
    .await?;
    let text = "Give it to the application: it is shown this once, and to you alone. Deckhand keeps only its hash.";
    let reply = Reply::card(Tone::Good, format!("Token {name} for {}", about(&token)), text)
        // Whole, however long: there is nothing in it that could end the code.
        .field("Token", format!("`{secret}`"))
        .button(Button::new("Revoke it", revoke_line(&name)).look(Look::Danger));
    Ok(Reply { once: true, ..reply.only_you() })
}

fn revoke_line(name: &str) -> String {
    format!("flag token revoke which:{}", quote(name))
}

/// Whether a token may be called so.
fn known(name: &str) -> bool {
    registry::is_name(name)
}

/// What a token is for, in a few words. Environments and projects are the config's own words.
fn about(token: &Token) -> String {
    let project = match token.project.as_str() {
        ALL => "all projects".to_owned(),
        one => format!("project {one}"),
    };
    format!("{} of {}, {project}", token.kind.word(), token.environment)
}
