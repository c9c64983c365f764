//! Forms: questions in private, one after the other, where nobody else reads the answers.

use super::record::Asked;
use super::render::Drawn;
use super::{Irc, Spoken};
use crate::gate::Said;
use chrono::TimeDelta;
use commands::reply::{Form, Input};
use commands::text as texts;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(600);

/// The most columns that are shown of what an input holds.
const VALUE: usize = 300;

/// How long it is known what was asked: an answer after that is a line.
const REMEMBERED: TimeDelta = TimeDelta::days(1);

/// A form that is being filled.
pub(super) struct Filling {
    spoken: Spoken,
    nick: String,
    /// The button's id and its line.
    button: (String, String),
    form: Form,
    filled: Vec<(String, String)>,
    since: Instant,
}

impl Filling {
    /// The id of whoever fills it.
    pub fn id(&self) -> &str {
        &self.spoken.seat.id
    }

    /// The nick of whoever fills it, when it was begun.
    pub fn nick(&self) -> &str {
        &self.nick
    }

    /// Where the button was pressed.
    pub fn channel(&self) -> &str {
        &self.spoken.channel
    }
}

impl Irc {
    /// Asks for what the button of this number needs.
    pub(super) async fn begin_form(&self, spoken: Spoken, number: u32, id: String, form: Form, line: String) {
        let Some(nick) = spoken.seat.nick() else { return };
        // After a restart, an answer is known for one to what nobody knows any more.
        if let Err(error) = self.records.asks(&spoken.seat.id, number).await {
            tracing::error!("what is asked in private can not be noted down: {error:#}");
        }
        let (filled, since) = (Vec::new(), Instant::now());
        let filling = Filling { nick, form, button: (id, line), filled, since, spoken };
        self.put_question(&filling);
        let mut known = self.known();
        known.forms.retain(|other| other.spoken.seat.id != filling.spoken.seat.id);
        known.forms.push(filling);
    }

    /// Asks for the next input.
    fn put_question(&self, filling: &Filling) {
        let place = filling.filled.len();
        let (Some(input), Some(nick)) = (filling.form.inputs.get(place), filling.spoken.seat.nick()) else { return };
        let mut lines = Vec::new();
        if place == 0 {
            lines.push(format!("{}. Answer here, in private; `!cancel` ends it.", filling.form.title));
        }
        lines.push(question(input, place + 1, filling.form.inputs.len()));
        let lines = lines.iter().map(|line| super::message::safe(line)).collect();
        self.mention("PRIVMSG", &nick, &Drawn { lines, choices: String::new() }, "");
    }

    /// Takes words said in private as the answer to what was asked there; false where nothing was.
    pub(super) async fn fill(self: &Arc<Self>, spoken: &Spoken, text: &str) -> bool {
        let taken = {
            let mut known = self.known();
            known.forms.retain(|form| form.since.elapsed() < PATIENCE);
            let place = known.forms.iter().position(|form| form.spoken.seat.id == spoken.seat.id);
            place.map(|place| known.forms.remove(place))
        };
        let Some(mut filling) = taken else { return self.is_stale(spoken, text).await };
        let Some(input) = filling.form.inputs.get(filling.filled.len()) else { return false };
        let value = if text == "-" { input.value.clone() } else { text.to_owned() };
        if value.chars().count() > input.most.max(1) {
            self.note(spoken, &format!("That is longer than {} characters. Say it shorter, here.", input.most));
            self.known().forms.push(filling);
            return true;
        }
        filling.filled.push((input.name.clone(), value));
        if filling.filled.len() < filling.form.inputs.len() {
            self.put_question(&filling);
            self.known().forms.push(filling);
            return true;
        }
        let Filling { spoken, button: (id, line), filled, .. } = filling;
        self.forget_form(&spoken.seat.id).await;
        self.close(&line);
        self.ask(spoken, Said::Press { id, filled }, None).await;
        true
    }

    /// Whether words in private answer what was asked too long ago, or before Deckhand was started again.
    async fn is_stale(&self, spoken: &Spoken, text: &str) -> bool {
        let is_command = text.split(' ').next().is_some_and(|word| self.commands.contains(word));
        let Some(asked) = self.forget_form(&spoken.seat.id).await.filter(|_| !is_command) else { return false };
        if self.records.now() - asked.at > REMEMBERED {
            return false;
        }
        let number = asked.number;
        let text = format!(
            "Nothing was done: what I asked here is void, because it was too long ago or I was started again since. Say `!{number}` to be asked again."
        );
        self.note(spoken, &text);
        true
    }

    /// What somebody was asked in private is over; returns what is known of it.
    pub(super) async fn forget_form(&self, id: &str) -> Option<Asked> {
        let asked = self.records.asked(id).await;
        asked.inspect_err(|error| tracing::error!("what was asked in private can not be read: {error:#}")).ok()?
    }

    /// Ends what is being asked in private.
    pub(super) async fn cancel(&self, spoken: &Spoken) {
        let id = &spoken.seat.id;
        self.known().forms.retain(|form| form.spoken.seat.id != *id);
        let ended = self.forget_form(id).await.is_some();
        self.note(
            spoken,
            if ended { "Nothing was done." } else { "I am not asking you anything. `!help` lists all commands." },
        );
    }
}

fn question(input: &Input, number: usize, of: usize) -> String {
    let mut text = if of > 1 { format!("{number} of {of}: {}", input.label) } else { input.label.clone() };
    if !input.hint.is_empty() {
        text = format!("{text}, such as {}", input.hint);
    }
    if input.lines {
        text = format!("{text} (⏎ begins a new line)");
    }
    match (input.value.is_empty(), input.secret) {
        (false, _) => {
            let value = texts::cut(&texts::as_line(&input.value), VALUE);
            format!("{text}? `-` leaves it as it is: {value}")
        }
        (true, true) => format!("{text}? It is shown to nobody."),
        (true, false) => format!("{text}? `-` says nothing."),
    }
}
