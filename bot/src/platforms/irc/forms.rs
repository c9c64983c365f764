//! Forms: questions in private, one after the other, where nobody else reads the answers.

use super::render::Drawn;
use super::{Irc, Spoken};
use crate::gate::Said;
use commands::reply::{Form, Input};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(600);

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
    /// Asks for what a button needs.
    pub(super) fn begin_form(&self, spoken: Spoken, id: String, form: Form, line: String) {
        let Some(nick) = spoken.seat.nick() else { return };
        let filling = Filling { nick, form, button: (id, line), filled: Vec::new(), since: Instant::now(), spoken };
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
        let Some(mut filling) = taken else { return false };
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
        self.close(&line);
        self.ask(spoken, Said::Press { id, filled }, false).await;
        true
    }

    /// Ends what is being asked in private.
    pub(super) fn cancel(&self, spoken: &Spoken) {
        let mut known = self.known();
        let before = known.forms.len();
        known.forms.retain(|form| form.spoken.seat.id != spoken.seat.id);
        let ended = known.forms.len() < before;
        drop(known);
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
    match (input.value.is_empty(), input.secret) {
        (false, _) => format!("{text}? `-` leaves it as it is: {}", input.value),
        (true, true) => format!("{text}? It is shown to nobody."),
        (true, false) => format!("{text}? `-` says nothing."),
    }
}
