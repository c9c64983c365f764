//! How Deckhand says something on a network: drawn, cut, in pages, to whoever it is for.

use super::link::{Haste, Unsaid};
use super::message::{room, safe};
use super::render::{self, Drawn};
use super::who::Seat;
use super::{Irc, Spoken};
use commands::reply::Reply;

/// The most pages' rests that wait for a `!more`.
const RESTS: usize = 100;

impl Irc {
    /// A sentence to the speaker alone, which nobody waits for.
    pub(super) fn note(&self, spoken: &Spoken, text: &str) {
        if let Some(nick) = spoken.seat.nick() {
            let command = if spoken.channel.starts_with('@') { "PRIVMSG" } else { "NOTICE" };
            self.mention(command, &nick, &Drawn { lines: vec![safe(text)], choices: String::new() }, "");
        }
    }

    /// Says what is drawn, and waits for nobody.
    pub(super) fn mention(&self, command: &'static str, target: &str, drawn: &Drawn, before: &str) {
        let (said, _) = self.page(command, target, drawn, before);
        self.link.mention(Haste::Now, command, target, &said);
    }

    /// The numbers of a reply's buttons; nothing where they can not be kept.
    pub(super) async fn numbers(&self, reply: &Reply) -> Option<Vec<u32>> {
        let numbers = self.records.number(&reply.buttons).await;
        numbers.inspect_err(|error| tracing::error!("choices can not be kept: {error:#}")).ok()
    }

    /// Says a whole reply, its first page at least; `before` stands before its first line. Its rest is for `asker`.
    pub(super) async fn say(
        &self,
        haste: Haste,
        command: &'static str,
        target: &str,
        reply: &Reply,
        before: &str,
        asker: &str,
    ) -> Result<(), Unsaid> {
        let numbers = self.numbers(reply).await.unwrap_or_default();
        let drawn = render::whole(reply, &numbers, &self.look);
        let calls: Vec<_> = reply.calls.iter().map(|person| self.nick_of(person)).collect();
        let calls = if calls.is_empty() { String::new() } else { format!("{}: ", calls.join(", ")) };
        let (said, rest) = self.page(command, target, &drawn, &format!("{before}{calls}"));
        if !rest.is_empty() {
            let mut known = self.known();
            if known.rests.len() >= RESTS {
                known.rests.clear();
            }
            known.rests.insert(asker.to_owned(), (command, target.to_owned(), rest));
        }
        self.link.say(haste, command, target, &said).await
    }

    /// The text with commands as they are typed here: a slash is for the client itself.
    fn typed(&self, text: &str) -> String {
        let mut typed = String::new();
        let mut parts = text.split('/');
        typed.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let begins = typed.is_empty() || typed.ends_with(['`', ' ', '(']);
            let word: String = part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
            let whole = part[word.len()..].chars().next().is_none_or(|next| "` ,.:;)?".contains(next));
            typed.push(if begins && whole && self.commands.contains(&word) { '!' } else { '/' });
            typed.push_str(part);
        }
        typed
    }

    /// The lines of the first page as they fit through the wire, and those that are left.
    fn page(&self, command: &str, target: &str, drawn: &Drawn, before: &str) -> (Vec<String>, Vec<String>) {
        let lines = drawn.lines.iter().map(|line| self.typed(line)).collect();
        let typed = Drawn { lines, choices: drawn.choices.clone() };
        render::page(&typed, before, room(&self.link.nick(), command, target))
    }

    /// Says the next page.
    pub(super) fn more(&self, seat: &Seat, channel: &str) {
        let found = {
            let mut known = self.known();
            known
                .rests
                .remove(&seat.id)
                .map(|rest| (seat.id.clone(), rest))
                .or_else(|| known.rests.remove(channel).map(|rest| (channel.to_owned(), rest)))
        };
        let Some((key, (command, target, mut lines))) = found else {
            if let Some(nick) = seat.nick() {
                self.link.mention(Haste::Now, "NOTICE", &nick, &["There is nothing more.".to_owned()]);
            }
            return;
        };
        // What was for them alone goes to them, whatever their nick is now.
        let target = if target.starts_with(['#', '&', '+', '!']) { target } else { seat.nick().unwrap_or_default() };
        let rest = lines.split_off(lines.len().min(render::PAGE));
        if !rest.is_empty() {
            lines.push(render::more(&rest));
            self.known().rests.insert(key, (command, target.clone(), rest));
        }
        self.link.mention(Haste::Idle, command, &target, &lines);
    }

    /// The nick of a person, as far as it is known.
    fn nick_of(&self, person: &str) -> String {
        let known = self.known();
        self.people.get(person).and_then(|id| known.nicks.get(id)).cloned().unwrap_or_else(|| person.to_owned())
    }

    /// The nick of `id`, once the server has said that it is theirs; `guess` where they were not seen since.
    pub(super) async fn find(&self, id: &str, guess: Option<&str>) -> Result<String, Unsaid> {
        if !self.link.is_on() {
            return Err(Unsaid::Away);
        }
        let nick = self.known().nicks.get(id).cloned().or_else(|| guess.map(str::to_owned));
        let nick = nick.ok_or_else(|| Unsaid::Refused(format!("{id} is not there")))?;
        match self.crowd.is(&nick, id, &self.link).await {
            true => Ok(nick),
            false if !self.link.is_on() => Err(Unsaid::Away),
            false => Err(Unsaid::Refused(format!("{nick} is not {id} any more"))),
        }
    }
}
