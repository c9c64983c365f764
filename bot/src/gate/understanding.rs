//! What is meant by what somebody says: a line, a press with what its form was filled with, a yes to a question, or the
//! approval of what somebody else has said.

use super::approval::{self, Approved, Carried};
use super::buttons::{self, Drawn};
use super::{Ask, Bot, Said, codes, consent, refusal};
use commands::complete;
use commands::cx::{Agreed, Cx, Who};
use commands::ledger::Place;
use commands::parse::{self, Invocation};
use commands::reply::{Form, Input, Reply};
use commands::spec::{CommandSpec, Effect, Kind};
use commands::stop::{Result, Stop};
use commands::table::Versioned;
use commands::text;
use commands::value::Value;
use std::sync::Arc;

/// What was found out of what somebody says.
pub(super) enum Meant {
    /// Something is to be done.
    Call(Box<Understood>),
    /// That is all.
    Answered(Box<Reply>),
}

/// A call that has been understood.
pub(super) struct Understood {
    pub invocation: Invocation,
    /// Whose call it is: that of whoever asked for it, where others have approved it.
    pub who: Who,
    /// Where they said it.
    pub room: Place,
    pub agreed: Option<Agreed>,
    pub carried: Option<Arc<Carried>>,
    pub pressed: Option<Pressed>,
}

/// The button that was pressed, by its name.
pub(super) type Pressed = (String, Versioned<Drawn>);

impl Bot {
    /// Finds out what is meant: a press says its button's line, a yes says the line that waited for it, and the last approval
    /// that was missing the line of whoever asked for it.
    pub(super) async fn understand(&self, ask: &Ask, who: &Who) -> Result<Meant> {
        let (invocation, pressed) = match &ask.said {
            Said::Line(line) => match self.parse(line) {
                // What is wrong with a line tells which names there are, and those are not for strangers.
                Err(_) if who.is_stranger() => return Err(Stop::refuse(refusal::stranger(who))),
                read => (read?, None),
            },
            Said::Press { id, filled } => {
                let button = self.pressed(id, who).await?;
                (self.filled(&button.value, filled)?, Some((id.clone(), button)))
            }
        };
        let call = |invocation| Understood {
            invocation,
            who: who.clone(),
            room: ask.place.clone(),
            agreed: None,
            carried: None,
            pressed: None,
        };
        let understood = match invocation.command.name {
            consent::CONFIRM => {
                let (agreed, line) = self.confirmed(&invocation, who).await?;
                Understood { agreed: Some(agreed), ..call(self.parse(&line)?) }
            }
            approval::APPROVE => match self.approve(&invocation, who).await? {
                Approved::Noted(reply) => return Ok(Meant::Answered(reply)),
                Approved::Enough(carried) => Understood {
                    who: self.people.named(&carried.request.who),
                    room: carried.request.place.clone(),
                    invocation: self.parse(&carried.request.line)?,
                    carried: Some(carried),
                    ..call(invocation)
                },
            },
            _ => Understood { pressed, ..call(invocation) },
        };
        Ok(Meant::Call(Box::new(understood)))
    }

    /// What a yes agrees to, and the line that waited for it.
    async fn confirmed(&self, invocation: &Invocation, who: &Who) -> Result<(Agreed, String)> {
        let (store, now) = (&self.world.store, self.world.ports.clock.now());
        let given = |name: &str| invocation.args.get(name).map(ToString::to_string);
        let id = given("question").unwrap_or_default();
        let proven = consent::open(&**store, &id, who, now).await?.value.code;
        if proven {
            // A code that is wrong leaves the question open.
            let again = |stop| match stop {
                Stop::Refused(reply) => reply.button(consent::yes(&id, true)).into(),
                other => other,
            };
            let code = given("code").ok_or_else(|| {
                let line = text::code(&format!("/{} question:{id} code:…", consent::CONFIRM));
                Stop::refuse(format!(
                    "A one-time code is missing, so nothing was done. Press the button and fill it in, or say {line}."
                ))
            });
            codes::prove(store, &who.name, &code.map_err(again)?, now).await.map_err(again)?;
        }
        let question = consent::take(store, &id, who, now).await?;
        Ok((Agreed { digest: question.digest, facts: question.facts, proven }, question.line))
    }

    /// The line that this comes to; nothing where a press has gone stale.
    pub(super) async fn would_say(&self, said: &Said, who: &Who) -> Result<Option<String>> {
        let (id, filled) = match said {
            Said::Line(line) => return Ok(Some(line.clone())),
            Said::Press { id, filled } => (id, filled),
        };
        let button = self.pressed(id, who).await?.value;
        let current = buttons::current(&*self.world.ports.store, &button).await?;
        Ok(current.then(|| line(&button, filled)))
    }

    async fn pressed(&self, id: &str, who: &Who) -> Result<Versioned<Drawn>> {
        let store = &*self.world.ports.store;
        let Some(button) = buttons::find(store, id).await? else {
            return Err(Stop::refuse("This button is no longer known. Say the command instead; `/help` lists them."));
        };
        if let Some((by, at)) = &button.value.pressed {
            let ago = text::ago(*at, self.world.ports.clock.now());
            let by = text::plain(by);
            return Err(Stop::refuse(format!("{by} pressed this button {ago}. Nothing was done again.")));
        }
        if let Some(other) = button.value.only_for.as_ref().filter(|other| **other != who.name) {
            return Err(Stop::refuse(format!("This button is for {}. Nothing was done.", text::plain(other))));
        }
        Ok(button)
    }

    /// Makes a press count, now that its turn has come: what the button was drawn from still stands, and nobody was
    /// faster.
    pub(super) async fn press(&self, id: &str, button: &Versioned<Drawn>, cx: &Cx) -> Result<()> {
        if !buttons::current(cx.store(), &button.value).await? {
            let line = text::to_say(&button.value.line);
            return Err(Stop::refuse(format!(
                "Things have changed since this button was drawn, so nothing was done. Look at how they stand now, and say {line} if you still mean it."
            )));
        }
        let reads = cx.invocation().is_some_and(|invocation| invocation.command.effect == Effect::Reads);
        if reads || button.value.again || buttons::press(&self.world.store, id, button, cx.who(), cx.now()).await? {
            return Ok(());
        }
        Err(Stop::refuse("Somebody pressed this button a moment before you. Nothing was done twice."))
    }

    /// What a button says, with what its form was filled with.
    fn filled(&self, button: &Drawn, filled: &[(String, String)]) -> Result<Invocation> {
        let Some(form) = &button.form else { return self.parse(&button.line) };
        check(form, filled)?;
        let mut invocation = self.parse(&line(button, filled))?;
        let ports = &self.world.ports;
        for input in form.inputs.iter().filter(|input| input.secret) {
            let given = given(filled, input).unwrap_or_default();
            let read = Value::read(Kind::Text, &given, &self.registry, &ports.vocabulary, ports.clock.now());
            let value = read.map_err(|what| Stop::refuse(format!("{}: {what}", text::code(&input.label))))?;
            invocation.args.set(invocation.command, &input.name, value);
        }
        Ok(invocation)
    }

    pub(super) fn parse(&self, line: &str) -> Result<Invocation> {
        let ports = &self.world.ports;
        let parsed = parse::parse(line, &self.registry, &ports.vocabulary, ports.clock.now());
        parsed.map_err(|mistake| {
            let pointed = if self.hides(line).is_some() { String::new() } else { mistake.pointed_out(line) };
            Reply::refuse(mistake.what).output(pointed).into()
        })
    }

    /// The same with what its plugin knows that nobody typed.
    ///
    /// # Errors
    /// When the plugin can not find it out.
    pub(super) async fn whole(&self, mut said: Invocation) -> Result<Invocation> {
        for (name, value) in self.plugin(said.command).implies(&said, &self.world.ports).await? {
            if said.args.get(name).is_none() {
                said.args.set(said.command, name, value);
            }
        }
        Ok(said)
    }

    /// What somebody said as others may see it and as it may be kept: without what is secret.
    pub async fn shown(&self, said: &Said) -> anyhow::Result<String> {
        let shown = match said {
            Said::Line(text) => match parse::command_in(text).and_then(|line| Some((line, self.hides(line)?))) {
                None => text.clone(),
                Some((line, command)) => self.parse(line).map_or_else(
                    |_| format!("/{} (something that is not shown)", command.name),
                    |invocation| format!("/{}", invocation.line()),
                ),
            },
            Said::Press { id, filled } => match buttons::find(&*self.world.ports.store, id).await? {
                Some(button) => format!("/{}", line(&button.value, filled)),
                None => "(pressed a button)".to_owned(),
            },
        };
        Ok(self.world.redactor.redact(&shown).into_owned())
    }

    /// The command that the line begins with, if it has arguments that are shown to nobody.
    fn hides(&self, line: &str) -> Option<&'static CommandSpec> {
        let ports = &self.world.ports;
        let spot = complete::spot(line, line.chars().count(), &self.registry, &ports.vocabulary, ports.clock.now());
        spot.command.filter(|command| command.args.iter().any(|arg| arg.secret))
    }
}

/// What was filled in here, as one line.
fn given(filled: &[(String, String)], input: &Input) -> Option<String> {
    let (_, value) = filled.iter().find(|(given, _)| *given == input.name)?;
    if input.lines {
        return Some(text::as_line(value));
    }
    Some(value.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" "))
}

/// Whether the form was filled in: an input that may be empty becomes no argument, one that is secret has to hold
/// something.
fn check(form: &Form, filled: &[(String, String)]) -> Result<()> {
    for input in &form.inputs {
        let label = text::code(&input.label);
        let missing = || {
            Stop::refuse(format!(
                "{label} is missing, so nothing was done. Press the button again, and fill in what it asks for."
            ))
        };
        let value = given(filled, input).filter(|value| !input.secret || !value.is_empty()).ok_or_else(missing)?;
        let length = value.chars().count();
        if length > input.most {
            return Err(Stop::refuse(format!(
                "{label} has {length} characters, and may have {}. Nothing was done; press the button again, and write it shorter.",
                input.most
            )));
        }
    }
    Ok(())
}

/// The line of a button with what its form was filled with, less what is secret.
fn line(button: &Drawn, filled: &[(String, String)]) -> String {
    let inputs = button.form.iter().flat_map(|form| &form.inputs).filter(|input| !input.secret);
    let given = inputs.filter_map(|input| Some((&input.name, given(filled, input)?)));
    given
        .filter(|(_, value)| !value.is_empty())
        .fold(button.line.clone(), |line, (name, value)| format!("{line} {name}:{}", parse::quote(&value)))
}
