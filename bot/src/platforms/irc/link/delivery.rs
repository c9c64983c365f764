//! What was sent and is not known to be read: each message is told about once the server has answered for it.

use super::super::message::{Message, same};
use super::Unsaid;
use std::collections::VecDeque;
use tokio::sync::oneshot;

/// Who waits for a message to be read.
pub(super) type Done = oneshot::Sender<Result<(), Unsaid>>;

/// The capabilities with which a server says of each line what became of it: it sends the line back under the label that
/// the line had (<https://ircv3.net/specs/extensions/labeled-response>, `echo-message`).
pub(super) const ECHO: [&str; 3] = ["batch", "labeled-response", "echo-message"];

/// A message that was begun.
struct Waiting {
    number: u64,
    target: String,
    /// The labels of its lines that were not sent back yet.
    unheard: Vec<String>,
    /// What the `PING` after its last line says, once that was sent.
    token: Option<String>,
    refused: Option<String>,
    done: Done,
}

/// All messages that were begun, oldest first.
#[derive(Default)]
pub(super) struct Delivery {
    /// Whether the server says of each line what became of it.
    pub echoes: bool,
    count: u64,
    waiting: VecDeque<Waiting>,
    /// Batches of answers that are open, with the label that they are for.
    batches: Vec<(String, String)>,
}

impl Delivery {
    fn next(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// Begins a message, and returns its number.
    pub fn begin(&mut self, target: String, done: Done) -> u64 {
        let number = self.next();
        self.waiting.push_back(Waiting { number, target, unheard: Vec::new(), token: None, refused: None, done });
        number
    }

    fn of(&mut self, number: u64) -> Option<&mut Waiting> {
        self.waiting.iter_mut().find(|waiting| waiting.number == number)
    }

    /// One of its lines as it is sent.
    pub fn line(&mut self, number: u64, line: &str) -> String {
        if !self.echoes {
            return line.to_owned();
        }
        let label = format!("line-{}", self.next());
        let labelled = format!("@label={label} {line}");
        if let Some(waiting) = self.of(number) {
            waiting.unheard.push(label);
        }
        labelled
    }

    /// All of it was sent: what asks whether it was read. Servers take lines in order, and refuse before they answer.
    pub fn question(&mut self, number: u64) -> String {
        let token = format!("read-{}", self.next());
        if let Some(waiting) = self.of(number) {
            waiting.token = Some(token.clone());
        }
        format!("PING {token}")
    }

    /// Looks at what the server sends: answers, lines that come back, refusals.
    pub fn hear(&mut self, message: &Message) {
        match &*message.command {
            "PONG" => return self.was_read(message.params.last().map_or("", String::as_str)),
            "BATCH" => self.batch(message),
            _ => {}
        }
        let batch = message.tag("batch").and_then(|batch| self.batches.iter().find(|(name, _)| name == batch));
        let label = message.tag("label").or(batch.map(|(_, label)| label.as_str()));
        let is_about = |waiting: &&mut Waiting| match label {
            Some(label) => waiting.unheard.iter().any(|unheard| unheard == label),
            None => is_refusal(&message.command) && same(&waiting.target, message.param(1)),
        };
        let Some(waiting) = self.waiting.iter_mut().find(is_about) else { return };
        match &*message.command {
            "PRIVMSG" | "NOTICE" => waiting.unheard.retain(|unheard| Some(&**unheard) != label),
            // It has nothing else to say about a line that it did not send back.
            "ACK" => waiting.refused = Some("it shows it to nobody".to_owned()),
            command if is_error(command) => {
                waiting.refused = Some(format!("{} ({command})", message.params.last().map_or("", String::as_str)));
            }
            _ => {}
        }
    }

    fn batch(&mut self, message: &Message) {
        match (message.param(0).split_at_checked(1), message.tag("label")) {
            (Some(("+", name)), Some(label)) => self.batches.push((name.to_owned(), label.to_owned())),
            (Some(("-", name)), _) => self.batches.retain(|(open, _)| open != name),
            _ => {}
        }
    }

    /// The server has read all of the message that asked with this token. One before it may have been put aside for it.
    fn was_read(&mut self, token: &str) {
        let is_it = |waiting: &Waiting| waiting.token.as_deref() == Some(token);
        let Some(waiting) = self.waiting.iter().position(is_it).and_then(|place| self.waiting.remove(place)) else {
            return;
        };
        // Whoever waited may have been killed.
        let _ = waiting.done.send(waiting.refused.map_or(Ok(()), |why| Err(Unsaid::Refused(why))));
    }

    /// The link is down: what came back was heard, of everything else nobody can know.
    pub fn end(&mut self) {
        for waiting in self.waiting.drain(..) {
            let whole = self.echoes && waiting.token.is_some() && waiting.unheard.is_empty();
            let told = match waiting.refused {
                Some(why) => Err(Unsaid::Refused(why)),
                None if whole => Ok(()),
                None => Err(Unsaid::Lost),
            };
            // Whoever waited may have been killed.
            let _ = waiting.done.send(told);
        }
    }
}

/// Whether this is an error, or a failure of <https://ircv3.net/specs/extensions/standard-replies>.
fn is_error(command: &str) -> bool {
    command == "FAIL" || (command.len() == 3 && command.starts_with(['4', '5']))
}

/// Whether this numeric, which names a target, is about a message to it.
fn is_refusal(command: &str) -> bool {
    ["401", "403", "404", "405", "411", "412", "415", "442", "477", "489", "531", "716"].contains(&command)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of a message of two lines to `#ops`, when the server says this after them, and then ends.
    fn told(echoes: bool, heard: &[&str]) -> Result<(), Unsaid> {
        let mut delivery = Delivery { echoes, ..Delivery::default() };
        let (done, mut told) = oneshot::channel();
        let number = delivery.begin("#ops".to_owned(), done);
        let lines = ["PRIVMSG #ops :one", "PRIVMSG #ops :two"].map(|line| delivery.line(number, line));
        assert_eq!(lines[0].starts_with("@label=line-2 PRIVMSG"), echoes);
        assert!(delivery.question(number).starts_with("PING read-"));
        heard.iter().for_each(|line| delivery.hear(&Message::read(line.as_bytes()).unwrap()));
        delivery.end();
        told.try_recv().unwrap()
    }

    #[test]
    fn a_message_counts_once_the_server_has_answered_for_it() {
        let one = "@label=line-2 :d!d@h PRIVMSG #ops :one";
        let two = "@label=line-3 :d!d@h PRIVMSG #ops :two";
        let batched =
            ["@label=line-3 :s BATCH +b labeled-response", "@batch=b :d!d@h PRIVMSG #ops :two", ":s BATCH -b"];
        let table: [(bool, &[&str], &str); 12] = [
            (false, &[], "Err(Lost)"),
            (false, &[":s PONG s :read-2"], "Ok(())"),
            (false, &[":s PONG s :read-9"], "Err(Lost)"),
            (false, &[":s 404 d #ops :No.", ":s PONG s :read-2"], "Err(Refused(\"No. (404)\"))"),
            (false, &[":s 404 d #dev :No.", ":s PONG s :read-2"], "Ok(())"),
            (false, &[one, two], "Err(Lost)"),
            (true, &[one], "Err(Lost)"),
            (true, &[one, two], "Ok(())"),
            (true, &[one, batched[0], batched[1], batched[2]], "Ok(())"),
            (true, &[one, "@label=line-3 :s 404 d #ops :No."], "Err(Refused(\"No. (404)\"))"),
            (true, &[one, "@label=line-3 :s ACK"], "Err(Refused(\"it shows it to nobody\"))"),
            (true, &[one, "@label=line-9 :s 404 d #ops :No.", two], "Ok(())"),
        ];
        for (echoes, heard, what) in table {
            assert_eq!(format!("{:?}", told(echoes, heard)), what, "{echoes} {heard:?}");
        }
    }
}
