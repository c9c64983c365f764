//! A transcript: a Markdown file with a config, what people say, everything that Deckhand answers, and the whole ledger.

use super::Stage;
use super::elsewhere::Elsewhere;
use super::on_irc::OnIrc;
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::path::Path;

/// A transcript's parts.
#[derive(Debug, PartialEq)]
pub struct Transcript {
    /// All that stands before, between and after the blocks, and the blocks' kinds, so that it can be put together again.
    pieces: Vec<Piece>,
}

#[derive(Debug, PartialEq)]
enum Piece {
    Prose(String),
    Block { kind: String, text: String },
}

/// A line of the chat that is played.
#[derive(Debug, PartialEq)]
pub enum Line {
    /// Somebody says something in a channel.
    Said {
        /// Who.
        who: String,
        /// Where; `ops` where nothing is written.
        channel: String,
        /// What: a line, or a button's label in brackets.
        what: String,
    },
    /// Somebody has typed this much of a line, and looks at what is offered.
    Typed {
        /// Who.
        who: String,
        /// What stands before the cursor.
        what: String,
    },
    /// The world changes, or time passes.
    Direction(String),
}

impl Transcript {
    /// Takes a file apart.
    ///
    /// # Errors
    /// When a block is not closed, or one of the three is missing.
    pub fn parse(text: &str) -> Result<Transcript> {
        let mut pieces = vec![];
        let mut prose = String::new();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let Some(kind) = line.strip_prefix("```").filter(|kind| !kind.is_empty()) else {
                prose += &format!("{line}\n");
                continue;
            };
            let mut block = String::new();
            loop {
                match lines.next() {
                    None => bail!("the block ```{kind} is not closed"),
                    Some("```") => break,
                    Some(line) => block += &format!("{line}\n"),
                }
            }
            pieces.push(Piece::Prose(std::mem::take(&mut prose)));
            pieces.push(Piece::Block { kind: kind.to_owned(), text: block });
        }
        pieces.push(Piece::Prose(prose));
        let transcript = Transcript { pieces };
        for kind in ["toml", "chat", "ledger"] {
            transcript.block(kind).with_context(|| format!("there is no block ```{kind}"))?;
        }
        Ok(transcript)
    }

    /// Plays it, and returns the file as it came out.
    ///
    /// # Errors
    /// When it can not be played: a mistake in the transcript, or something left unfinished.
    pub async fn play(&self) -> Result<String> {
        let config = self.block("toml").unwrap_or_default();
        let mut stage = Stage::new(config).await?;
        let mut chat = String::new();
        for line in self.block("chat").unwrap_or_default().lines() {
            let Some(played) = Line::parse(line) else { continue };
            if !chat.is_empty() {
                chat.push('\n');
            }
            chat += &format!("{line}\n");
            let heard = stage.play(played).await.with_context(|| format!("at the line `{line}`"))?;
            heard.iter().for_each(|line| chat += &format!("{line}\n"));
        }
        let rest = stage.finish().await?;
        rest.iter().for_each(|line| chat += &format!("{line}\n"));
        Ok(self.with(&chat, &stage.ledger().await?))
    }

    /// Plays it on Discord, and makes sure that the same things are done, whatever time they take.
    ///
    /// # Errors
    /// What is different, or why it can not be played there.
    pub async fn play_on_discord(&self) -> Result<()> {
        let lines: Vec<_> = self.block("chat").unwrap_or_default().lines().filter_map(Line::parse).collect();
        let mut stage = Elsewhere::new(self.block("toml").unwrap_or_default(), &channels(&lines)).await?;
        for line in lines {
            let shown = format!("{line:?}");
            stage.play(line).await.with_context(|| format!("at {shown}"))?;
        }
        let (written, done) = (untimed(self.block("ledger").unwrap_or_default()), untimed(&stage.finish().await?));
        if written != done {
            bail!("on Discord, something else was done:\n{}", difference(&written, &done));
        }
        Ok(())
    }

    /// Plays it on IRC, and makes sure that the same things are done, whatever time they take.
    ///
    /// # Errors
    /// What is different, or why it can not be played there.
    pub async fn play_on_irc(&self) -> Result<()> {
        let lines: Vec<_> = self.block("chat").unwrap_or_default().lines().filter_map(Line::parse).collect();
        let mut stage = OnIrc::new(self.block("toml").unwrap_or_default(), &channels(&lines)).await?;
        for line in lines {
            let shown = format!("{line:?}");
            stage.play(line).await.with_context(|| format!("at {shown}"))?;
        }
        let (written, done) = (untimed(self.block("ledger").unwrap_or_default()), untimed(&stage.finish().await?));
        if written != done {
            bail!("on IRC, something else was done:\n{}", difference(&written, &done));
        }
        Ok(())
    }

    fn block(&self, wanted: &str) -> Option<&str> {
        self.pieces.iter().find_map(|piece| match piece {
            Piece::Block { kind, text } if kind == wanted => Some(text.as_str()),
            _ => None,
        })
    }

    fn with(&self, chat: &str, ledger: &str) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Prose(text) => text.clone(),
            Piece::Block { kind, text } => {
                let text = match &**kind {
                    "chat" => chat,
                    "ledger" => ledger,
                    _ => text,
                };
                format!("```{kind}\n{text}```\n")
            }
        };
        self.pieces.iter().map(piece).collect()
    }
}

impl Line {
    /// A line that is played; nothing for what Deckhand says (it is indented) and for empty lines.
    fn parse(line: &str) -> Option<Line> {
        if line.starts_with(' ') || line.is_empty() {
            return None;
        }
        if let Some(direction) = line.strip_prefix("* ") {
            return Some(Line::Direction(direction.to_owned()));
        }
        let (head, what) = line.split_once(": ").unwrap_or((line, ""));
        if let Some(who) = head.strip_suffix(" types") {
            return Some(Line::Typed { who: who.to_owned(), what: what.to_owned() });
        }
        let (who, channel) = head.split_once(" in #").unwrap_or((head, "ops"));
        Some(Line::Said { who: who.to_owned(), channel: channel.to_owned(), what: what.to_owned() })
    }
}

/// Where something is said in these lines.
fn channels(lines: &[Line]) -> Vec<String> {
    let channel = |line: &Line| if let Line::Said { channel, .. } = line { Some(channel.clone()) } else { None };
    let channels: BTreeSet<_> = lines.iter().filter_map(channel).collect();
    channels.into_iter().collect()
}

/// A ledger without its times.
fn untimed(ledger: &str) -> String {
    ledger.lines().filter_map(|line| line.split_once(' ')).map(|(_, entry)| format!("{entry}\n")).collect()
}

/// Plays the transcript in this file on Discord, as [`Transcript::play_on_discord`] does.
///
/// # Errors
/// What is different, or why it can not be played there.
pub async fn check_on_discord(file: &Path) -> Result<()> {
    Transcript::parse(&std::fs::read_to_string(file)?)?.play_on_discord().await
}

/// Plays the transcript in this file on IRC, as [`Transcript::play_on_irc`] does.
///
/// # Errors
/// What is different, or why it can not be played there.
pub async fn check_on_irc(file: &Path) -> Result<()> {
    Transcript::parse(&std::fs::read_to_string(file)?)?.play_on_irc().await
}

/// Plays the transcript in this file, and compares; with `UPDATE=1`, writes what came out instead.
///
/// # Errors
/// What is different, or why it could not be played.
pub async fn check(file: &Path) -> Result<()> {
    let written = std::fs::read_to_string(file)?;
    let played = Transcript::parse(&written)?.play().await?;
    if written == played {
        return Ok(());
    }
    if std::env::var_os("UPDATE").is_some() {
        // The same file is read for the other platforms meanwhile.
        let beside = file.with_extension("new");
        std::fs::write(&beside, played)?;
        return Ok(std::fs::rename(beside, file)?);
    }
    bail!("it came out differently (UPDATE=1 writes it anew):\n{}", difference(&written, &played))
}

/// The lines from the first that differs on, of both.
fn difference(written: &str, played: &str) -> String {
    let same = written.lines().zip(played.lines()).take_while(|(left, right)| left == right).count();
    let rest = |text: &str, sign: &str| {
        text.lines().skip(same).take(12).map(|line| format!("{sign} {line}\n")).collect::<String>()
    };
    format!("line {}:\n{}{}", same + 1, rest(written, "-"), rest(played, "+"))
}
