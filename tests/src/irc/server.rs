//! What the server does with each line.

use super::{Network, Order, Said, State, mask};
use std::fmt::Write;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::sync::mpsc;

/// The longest line with what the server puts before it: RFC 1459, 2.3.
const LONGEST: usize = 510;

/// What it can do beyond RFC 1459.
const OFFERED: &str = "account-tag account-notify sasl=PLAIN,EXTERNAL multi-prefix";

/// The same of one that sends back what it takes.
const ECHO: &str = "batch echo-message labeled-response";

/// What stands where a host name does: as long as one can be.
const HOST: &str = "a-host-name-that-is-as-long-as-a-host-name-can-be-on-irc.example";

/// Serves one connection to its end.
pub(super) async fn serve(network: Network, stream: DuplexStream, mut orders: mpsc::UnboundedReceiver<Order>) {
    let (read, mut write) = tokio::io::split(stream);
    let (sender, mut lines) = mpsc::unbounded_channel();
    // It ends with this connection, so that the link breaks at once.
    let mut reader = tokio::task::JoinSet::new();
    reader.spawn(async move {
        let mut read = BufReader::new(read);
        let mut line = Vec::new();
        while read.read_until(b'\n', &mut line).await.is_ok_and(|count| count > 0) {
            if sender.send(std::mem::take(&mut line)).is_err() {
                return;
            }
        }
    });
    let mut greeting = Greeting::default();
    loop {
        let out = tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Send(line)) => format!("{line}\r\n"),
                Some(Order::Break) | None => return,
            },
            line = lines.recv() => {
                let Some(line) = line else { return };
                let mut state = network.state();
                if line.starts_with(b"PING") && std::mem::take(&mut state.knobs.breaks_at_ping) {
                    return;
                }
                answer(&mut state, &mut greeting, &line)
            }
        };
        if write.write_all(out.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// How far the greeting has come.
#[derive(Default)]
struct Greeting {
    nick: String,
    user: bool,
    negotiating: bool,
    welcomed: bool,
}

fn answer(state: &mut State, greeting: &mut Greeting, line: &[u8]) -> String {
    let Some(line) = std::str::from_utf8(line).ok().and_then(|line| line.strip_suffix("\r\n")) else {
        state.amiss.push(format!("a line is no UTF-8, or has no end: {line:?}"));
        return String::new();
    };
    state.sent.push(line.to_owned());
    let (label, line) = match line.strip_prefix("@label=").and_then(|tagged| tagged.split_once(' ')) {
        Some((label, line)) => (Some(label), line),
        None => (None, line),
    };
    if line.len() > LONGEST || line.contains(['\r', '\n', '\0']) {
        state.amiss.push(format!("a line is too long, or holds more than one: {line:?}"));
    }
    let (head, text) = line.split_once(" :").map_or((line, None), |(head, text)| (head, Some(text)));
    let words: Vec<&str> = head.split(' ').chain(text).collect();
    let word = |place: usize| words.get(place).copied().unwrap_or_default();
    let mut out = match word(0) {
        "CAP" => capabilities(state, greeting, word(1), word(2)),
        "AUTHENTICATE" if word(1) == "PLAIN" => "AUTHENTICATE +\r\n".to_owned(),
        "AUTHENTICATE" if state.knobs.password.as_deref() == Some(word(1)) => {
            ":irc.test 903 * :SASL authentication successful\r\n".to_owned()
        }
        "AUTHENTICATE" => ":irc.test 904 * :SASL authentication failed\r\n".to_owned(),
        "NICK" => nick(state, greeting, word(1)),
        "USER" => {
            greeting.user = true;
            String::new()
        }
        "PING" if state.knobs.silent => String::new(),
        "PING" => format!(":irc.test PONG irc.test :{}\r\n", word(1)),
        "JOIN" => join(state, word(1)),
        "WHOIS" => whois(state, word(1)),
        "PRIVMSG" | "NOTICE" => {
            let refused = say(state, word(0), word(1), text.unwrap_or_default());
            let nick = mask(&greeting.nick);
            match (label, refused.is_empty()) {
                (None, _) => refused,
                (Some(label), false) => format!("@label={label} {refused}"),
                (Some(label), true) => format!("@label={label} :{nick} {line}\r\n"),
            }
        }
        "PONG" | "QUIT" => String::new(),
        other => {
            state.amiss.push(format!("no server knows {other}"));
            String::new()
        }
    };
    if greeting.user && !greeting.nick.is_empty() && !greeting.negotiating && !greeting.welcomed {
        greeting.welcomed = true;
        state.nick = Some(greeting.nick.clone());
        out += &format!(":irc.test 001 {} :Welcome\r\n", greeting.nick);
    }
    out
}

fn capabilities(state: &State, greeting: &mut Greeting, what: &str, list: &str) -> String {
    if state.knobs.old {
        return ":irc.test 421 * CAP :Unknown command\r\n".to_owned();
    }
    match what {
        "LS" => {
            greeting.negotiating = true;
            // In two lines, as long lists come.
            let (first, second) = OFFERED.split_once(' ').unwrap_or_default();
            let echo = if state.knobs.echoes { ECHO } else { "" };
            format!(":irc.test CAP * LS * :{first}\r\n:irc.test CAP * LS :{second} {echo}\r\n")
        }
        "REQ" => format!(":irc.test CAP * ACK :{list}\r\n"),
        _ => {
            greeting.negotiating = false;
            String::new()
        }
    }
}

fn nick(state: &mut State, greeting: &mut Greeting, wanted: &str) -> String {
    if state.knobs.taken.iter().any(|taken| taken == wanted) || state.people.contains_key(wanted) {
        return format!(":irc.test 433 * {wanted} :Nickname is already in use\r\n");
    }
    let before = std::mem::replace(&mut greeting.nick, wanted.to_owned());
    if greeting.welcomed {
        state.nick = Some(wanted.to_owned());
        return format!(":{} NICK :{wanted}\r\n", mask(&before));
    }
    String::new()
}

fn join(state: &mut State, channel: &str) -> String {
    let nick = state.nick.clone().unwrap_or_default();
    if let Some(number) = state.knobs.closed.get(channel) {
        return format!(":irc.test {number} {nick} {channel} :Cannot join channel\r\n");
    }
    state.joined.push(channel.to_owned());
    format!(":{} JOIN {channel}\r\n", mask(&nick))
}

fn whois(state: &State, nick: &str) -> String {
    let own = state.nick.clone().unwrap_or_default();
    let mut out = String::new();
    let found = state.people.get(nick);
    if let Some(person) = found {
        let mask = mask(nick);
        let (user, host) = mask.split_once('!').and_then(|(_, rest)| rest.split_once('@')).unwrap_or_default();
        let _ = write!(out, ":irc.test 311 {own} {nick} {user} {host} * :{nick}\r\n");
        if let Some(account) = &person.account {
            let _ = write!(out, ":irc.test 330 {own} {nick} {account} :is logged in as\r\n");
        }
        if let Some(print) = &person.fingerprint {
            let _ = write!(out, ":irc.test 276 {own} {nick} :has client certificate fingerprint {print}\r\n");
        }
    } else {
        let _ = write!(out, ":irc.test 401 {own} {nick} :No such nick/channel\r\n");
    }
    out + &format!(":irc.test 318 {own} {nick} :End of /WHOIS list\r\n")
}

fn say(state: &mut State, command: &str, target: &str, text: &str) -> String {
    let nick = state.nick.clone().unwrap_or_default();
    let relayed = format!(":{nick}!~deckhand@{HOST} {command} {target} :{text}");
    if relayed.len() > LONGEST {
        state.amiss.push(format!("this would be cut off by the server: {text:?}"));
    }
    if text.is_empty() {
        return format!(":irc.test 412 {nick} :No text to send\r\n");
    }
    if target.starts_with('#') && (state.knobs.muted || !state.joined.iter().any(|channel| channel == target)) {
        return format!(":irc.test 404 {nick} {target} :Cannot send to channel\r\n");
    }
    if !target.starts_with('#') && !state.people.contains_key(target) {
        return format!(":irc.test 401 {nick} {target} :No such nick/channel\r\n");
    }
    state.said.push(Said { command: command.to_owned(), target: target.to_owned(), text: text.to_owned() });
    String::new()
}
