//! A line of IRC: read from the wire, and written to it so that nothing in it can begin another.

use unicode_segmentation::UnicodeSegmentation;

/// The longest line without its tags and line break, in bytes: RFC 1459, 2.3.
pub const LONGEST: usize = 510;

/// The longest `user@host` that is allowed for: what the server puts before a line counts in its length.
const LONGEST_MASK: usize = 11 + 1 + 63;

/// A message that a server sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// Its tags (IRCv3), unescaped.
    pub tags: Vec<(String, String)>,
    /// Who sent it: a server, or `nick!user@host`.
    pub from: String,
    /// The command in capitals, or a number.
    pub command: String,
    /// What comes after.
    pub params: Vec<String>,
    /// Whether it was UTF-8; what was not is replaced.
    pub utf8: bool,
    /// Whether it is as long as a line can be, so that the server may have cut its end off.
    pub full: bool,
}

impl Message {
    /// Reads a line; nothing where there is no command in it.
    pub fn read(line: &[u8]) -> Option<Message> {
        let text = String::from_utf8_lossy(line);
        let mut rest = text.trim_end_matches(['\r', '\n']);
        let mut tags = Vec::new();
        if let Some(tagged) = rest.strip_prefix('@') {
            let (all, after) = tagged.split_once(' ')?;
            tags = all.split(';').filter(|tag| !tag.is_empty()).map(tag).collect();
            rest = after.trim_start();
        }
        let full = rest.len() >= LONGEST;
        let mut from = "";
        if let Some(after) = rest.strip_prefix(':') {
            (from, rest) = after.split_once(' ')?;
        }
        let (middle, last) = match rest.split_once(" :") {
            Some((middle, last)) => (middle, Some(last)),
            None => (rest, None),
        };
        let mut words = middle.split(' ').filter(|word| !word.is_empty()).map(str::to_owned);
        let command = words.next()?.to_ascii_uppercase();
        let params = words.chain(last.map(str::to_owned)).collect();
        Some(Message { tags, from: from.to_owned(), command, params, utf8: std::str::from_utf8(line).is_ok(), full })
    }

    /// What comes after the command in this place; empty where nothing does.
    pub fn param(&self, place: usize) -> &str {
        self.params.get(place).map_or("", String::as_str)
    }

    /// The value of a tag.
    pub fn tag(&self, name: &str) -> Option<&str> {
        self.tags.iter().find(|(tag, _)| tag == name).map(|(_, value)| value.as_str())
    }

    /// The nick of whoever sent it; none where a server did.
    pub fn nick(&self) -> Option<&str> {
        self.from.split_once('!').map(|(nick, _)| nick)
    }
}

/// A tag, unescaped: <https://ircv3.net/specs/extensions/message-tags>.
fn tag(tag: &str) -> (String, String) {
    let (name, escaped) = tag.split_once('=').unwrap_or((tag, ""));
    let mut value = String::new();
    let mut letters = escaped.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => value.extend(letters.next().map(|escaped| match escaped {
                ':' => ';',
                's' => ' ',
                'r' => '\r',
                'n' => '\n',
                other => other,
            })),
            other => value.push(other),
        }
    }
    (name.to_owned(), value)
}

/// Whether two nicks or channels are the same. Only what every server folds is folded: two who differ in more than case are
/// never taken for one.
pub fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// `text` without what changes how it looks on IRC: bold, colours and the like.
pub fn unformatted(text: &str) -> String {
    let mut plain = String::new();
    let mut letters = text.chars().peekable();
    let digits = |letters: &mut std::iter::Peekable<std::str::Chars<'_>>, most, radix| {
        (0..most).take_while(|_| letters.next_if(|letter| letter.is_digit(radix)).is_some()).count()
    };
    while let Some(letter) = letters.next() {
        match letter {
            '\u{02}' | '\u{0F}' | '\u{11}' | '\u{16}' | '\u{1D}' | '\u{1E}' | '\u{1F}' => {}
            '\u{03}' => {
                if digits(&mut letters, 2, 10) > 0 {
                    let mut ahead = letters.clone();
                    if ahead.next() == Some(',') && digits(&mut ahead, 2, 10) > 0 {
                        letters = ahead;
                    }
                }
            }
            '\u{04}' => _ = digits(&mut letters, 6, 16),
            other => plain.push(other),
        }
    }
    plain
}

/// How many bytes of text fit into one line of `command` to `target`, once the server has put `nick` before it.
pub fn room(nick: &str, command: &str, target: &str) -> usize {
    // `:nick!user@host COMMAND target :text`
    let before = 1 + nick.len() + 1 + LONGEST_MASK + 1 + command.len() + 1 + target.len() + 2;
    LONGEST.saturating_sub(before).max(64)
}

/// `text` in pieces of at most `most` bytes, cut between words where there is one to cut at, and never inside a character.
pub fn cut(text: &str, most: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    for cluster in text.graphemes(true) {
        // Marks heaped on one letter may be more than a line: they are cut between code points.
        let parts: Vec<&str> =
            if cluster.len() > most { cluster.split("").filter(|it| !it.is_empty()).collect() } else { vec![cluster] };
        for part in parts {
            if piece.len() + part.len() > most {
                let at = piece.rfind(' ').filter(|at| *at > most / 4 && part != " ");
                let rest = at.map_or_else(String::new, |at| piece.split_off(at).trim_start().to_owned());
                pieces.push(std::mem::replace(&mut piece, rest).trim_end().to_owned());
            }
            if !(piece.is_empty() && part == " " && !pieces.is_empty()) {
                piece.push_str(part);
            }
        }
    }
    pieces.push(piece.trim_end().to_owned());
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// A word of a line: what would end it, or the line, is taken out.
pub fn word(text: &str) -> String {
    let word: String = text.chars().filter(|letter| !letter.is_control() && *letter != ' ').collect();
    word.trim_start_matches(':').to_owned()
}

/// Text on one line: control characters, which could end it or format it, become a mark.
pub fn safe(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{FFFD}' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let read = |line: &str| Message::read(line.as_bytes()).unwrap();
        let said = read("@account=ana;+x=a\\sb\\:c;y :ana!a@h PRIVMSG #ops :!help  me :)\r\n");
        assert_eq!((said.tag("account"), said.tag("+x"), said.tag("y")), (Some("ana"), Some("a b;c"), Some("")));
        assert_eq!((said.nick(), &*said.command), (Some("ana"), "PRIVMSG"));
        assert_eq!(said.params, ["#ops", "!help  me :)"]);
        assert_eq!(read("ping x").command, "PING");
        assert_eq!(read(":irc.example 005 d  A=1  B :are supported").params, ["d", "A=1", "B", "are supported"]);
        assert_eq!(read(":irc.example 001 d").nick(), None);
        assert!(!Message::read(b":a!b@c PRIVMSG #ops :\xff").unwrap().utf8);
        assert!(read(&format!(":a!b@c PRIVMSG #ops :{}", "x".repeat(600))).full);
        for nothing in ["", ":", "@", "@a=b", ":ana", "@a :b ", "  "] {
            assert_eq!(Message::read(nothing.as_bytes()), None, "{nothing:?}");
        }
    }

    #[test]
    fn formatting_is_taken_off() {
        let table = [
            ("\u{02}deploy\u{0F} ship", "deploy ship"),
            ("\u{03}04,12v2\u{03}", "v2"),
            ("\u{03}4,v2", ",v2"),
            ("\u{03}123", "3"),
            ("\u{04}FF00aaxyz", "xyz"),
            ("plain", "plain"),
        ];
        for (text, plain) in table {
            assert_eq!(unformatted(text), plain, "{text:?}");
        }
    }

    #[test]
    fn text_is_cut_at_bytes_but_between_characters() {
        let family = "👨‍👩‍👧‍👦";
        for text in [
            "한국어 메시지가 길어요 ".repeat(60),
            "x".repeat(2_000),
            family.repeat(50),
            format!("a{}", "\u{301}".repeat(3_000)),
        ] {
            for most in [64, 100, 399] {
                let pieces = cut(&text, most);
                assert!(pieces.iter().all(|piece| piece.len() <= most), "{pieces:?}");
                let bare = |text: &str| text.replace(' ', "");
                assert_eq!(bare(&pieces.concat()), bare(&text));
            }
        }
        assert_eq!(cut("two words", 8), ["two", "words"].map(str::to_owned).to_vec());
        assert!(cut(&family.repeat(9), 64).iter().all(|piece| piece.ends_with(family)));
        assert!(cut("", 10).is_empty());
    }

    #[test]
    fn nothing_in_a_line_begins_another() {
        assert_eq!(safe("v2\r\nQUIT :x\0"), "v2\u{FFFD}\u{FFFD}QUIT :x\u{FFFD}");
        assert_eq!(word(":#ops\r\nQUIT x"), "#opsQUITx");
    }
}
