//! Values that stand outside the file: `${NAME}` from the environment, `${file:PATH}` from a file.

use crate::{Env, problem::quoted};
use std::{
    fs::{self, File},
    io::Read,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// What has fewer characters is too common a word to be blotted out wherever it stands.
pub(crate) const SHORTEST: usize = 6;

/// No secret is larger, and a wrong path is not read to its end.
const LARGEST: u64 = 64 << 10;

/// A text with the values put in, and the values.
pub(crate) struct Expanded {
    pub text: String,
    pub secrets: Vec<String>,
}

/// What is wrong, and what to do instead.
type Mistake = (String, String);

/// Puts the values in. `$${` stands for `${`; what is put in is not looked at again.
pub(crate) fn expand(
    written: &str,
    env: Env,
    path: &dyn Fn(&str) -> Result<PathBuf, &'static str>,
) -> Result<Expanded, Mistake> {
    let mut expanded = Expanded { text: String::new(), secrets: Vec::new() };
    let mut rest = written;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(literal) = before.strip_suffix('$') {
            expanded.text.extend([literal, "${"]);
            rest = after;
            continue;
        }
        let (name, after) = after.split_once('}').ok_or_else(|| {
            ("a `${` has no `}`".to_owned(), "write `${NAME}`, or `$${` for the characters themselves".to_owned())
        })?;
        let value = match name.strip_prefix("file:") {
            Some(file) => {
                let found = path(file).map_err(|instead| ("has no path".to_owned(), instead));
                let told = |(why, instead)| (format!("the file {} {why}", quoted(file)), String::from(instead));
                found.and_then(|found| contents(&found)).map_err(told)?
            }
            None => variable(name, env)?,
        };
        expanded.text.extend([before, &value]);
        expanded.secrets.push(value);
        rest = after;
    }
    expanded.text += rest;
    Ok(expanded)
}

fn variable(name: &str, env: Env) -> Result<String, Mistake> {
    let named = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !name.is_empty();
    if !named {
        let instead = "write `${NAME}`, `${file:PATH}`, or `$${` for the characters themselves";
        return Err((format!("{} names no variable", quoted(name)), instead.into()));
    }
    env(name).ok_or_else(|| {
        (format!("the environment variable {} is not set", quoted(name)), "set it before starting Deckhand".into())
    })
}

/// The file's text without its last line break; or why it can not be used, and what to do instead.
fn contents(path: &Path) -> Result<String, (String, &'static str)> {
    let unreadable = |error| (format!("can not be read ({error})"), "name a text file that this user may read");
    // Before opening, for opening a named pipe waits for its writer.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(("is no plain file".into(), "name a text file"));
    }
    let file = File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.permissions().mode() & 0o077 != 0 {
        return Err(("is open to others than its owner".into(), "run `chmod 600` on it"));
    }
    let mut text = String::new();
    file.take(LARGEST + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > LARGEST {
        return Err(("is larger than 64 KiB".into(), "name a file that holds only the value"));
    }
    let end = text.strip_suffix('\n').map_or(text.len(), |line| line.strip_suffix('\r').unwrap_or(line).len());
    text.truncate(end);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        let known = [("TOKEN", "hunter2"), ("DOLLARS", "${TOKEN}"), ("EMPTY", "")];
        known.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into())
    }

    #[test]
    fn values_are_put_in_once() {
        for (written, text, secrets) in [
            ("plain $5 {}", "plain $5 {}", &[][..]),
            ("${TOKEN}", "hunter2", &["hunter2"]),
            ("a${TOKEN}b${EMPTY}c", "ahunter2bc", &["hunter2", ""]),
            ("${DOLLARS}", "${TOKEN}", &["${TOKEN}"]),
            ("$${TOKEN} and ${TOKEN}", "${TOKEN} and hunter2", &["hunter2"]),
        ] {
            let expanded = expand(written, &env, &|path| Ok(path.into())).unwrap();
            assert_eq!(
                (expanded.text.as_str(), expanded.secrets),
                (text, secrets.iter().map(|s| (*s).into()).collect())
            );
        }
    }

    #[test]
    fn what_stands_for_nothing_is_told() {
        for (written, told) in [
            ("${NO_SUCH}", "the environment variable `NO_SUCH` is not set; set it before starting Deckhand"),
            ("x${TOKEN", "a `${` has no `}`; write `${NAME}`, or `$${` for the characters themselves"),
            ("${}", "`` names no variable; write `${NAME}`, `${file:PATH}`, or `$${` for the characters themselves"),
            (
                "${A=B}",
                "`A=B` names no variable; write `${NAME}`, `${file:PATH}`, or `$${` for the characters themselves",
            ),
            (
                "${file:/no/such}",
                "the file `/no/such` can not be read (No such file or directory (os error 2)); \
                name a text file that this user may read",
            ),
            ("${file:/dev/zero}", "the file `/dev/zero` is no plain file; name a text file"),
        ] {
            let (what, instead) = expand(written, &env, &|path| Ok(path.into())).err().unwrap();
            assert_eq!(format!("{what}; {instead}"), told);
        }
    }

    #[test]
    fn a_file_gives_its_text_if_only_its_owner_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let read = |bytes: &[u8], mode| {
            fs::write(&file, bytes).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            let expanded = expand("<${file:token}>", &env, &|path| Ok(folder.path().join(path)));
            expanded.map(|it| it.text).map_err(|(what, instead)| format!("{what}; {instead}"))
        };
        assert_eq!(read(b"two\nlines\n", 0o600), Ok("<two\nlines>".into()));
        assert_eq!(read(b"one line\r\n", 0o400), Ok("<one line>".into()));
        assert_eq!(read(b"no end", 0o600), Ok("<no end>".into()));
        let open = "the file `token` is open to others than its owner; run `chmod 600` on it";
        for mode in [0o640, 0o604, 0o660, 0o777] {
            assert_eq!(read(b"hunter2", mode), Err(open.into()), "{mode:o}");
        }
        let large = "the file `token` is larger than 64 KiB; name a file that holds only the value";
        assert_eq!(read(&[b'x'; (64 << 10) + 1], 0o600), Err(large.into()));
        assert!(read(b"\xff\xfe", 0o600).unwrap_err().starts_with("the file `token` can not be read"));
    }
}
