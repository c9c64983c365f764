//! Asks on the terminal for what is to be seen by nobody.

use anyhow::{Context, Result};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{BufRead, IsTerminal, Write};

/// A terminal that does not show what is typed; it does again when this is dropped.
struct Silent(Termios);

impl Silent {
    fn begin() -> Result<Silent> {
        let terminal = std::io::stdin();
        let before = tcgetattr(&terminal)?;
        let mut silent = before.clone();
        // As getpass(3) does: a Ctrl-C that ended us here would leave the terminal silent.
        silent.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
        tcsetattr(&terminal, OptionalActions::Flush, &silent)?;
        Ok(Silent(before))
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // A terminal that has gone has nothing to show.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
    }
}

/// The line that is typed after this question; nothing where it is empty, or there are no more. What comes through a pipe
/// is read as it is.
///
/// # Errors
/// When the terminal can not be kept from showing it, or not be read.
pub(super) fn ask(question: &str) -> Result<Option<String>> {
    eprint!("{question}");
    std::io::stderr().flush()?;
    let terminal = std::io::stdin().is_terminal();
    let silent = if terminal { Some(Silent::begin().context("the terminal would show what is typed")?) } else { None };
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    drop(silent);
    eprintln!();
    read?;
    let line = line.trim();
    Ok(if line.is_empty() { None } else { Some(line.to_owned()) })
}
