//! A database's folder: who may open it, what is in it, and what is told when it can not be opened.

use super::disk;
use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// The version of what [`super::records`] describes.
const FORMAT: u32 = 1;

/// Why a database could not be opened. It is never replaced by an empty one.
#[derive(Debug)]
pub enum OpenError {
    /// Another process has it open.
    InUse {
        /// Where it lies.
        folder: PathBuf,
        /// The process, if it has left its number.
        pid: Option<u32>,
    },
    /// It is not what was written.
    Damaged {
        /// Where it lies.
        folder: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A newer version of Deckhand has written it.
    Newer {
        /// Where it lies.
        folder: PathBuf,
        /// The format that it has.
        found: u32,
    },
    /// This user may not read or write it.
    Denied {
        /// The file or folder.
        path: PathBuf,
    },
    /// The disk or the filesystem refused.
    Disk {
        /// Where it lies.
        folder: PathBuf,
        /// What was said.
        error: io::Error,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::InUse { folder, pid } => {
                let who = pid.map_or_else(|| "Another process".to_owned(), |pid| format!("The process {pid}"));
                write!(f, "{who} is using the data in {}. ", folder.display())?;
                write!(f, "Nothing was touched. Stop it first, or name another data directory.")
            }
            OpenError::Damaged { folder, why } => {
                let backups = folder.parent().unwrap_or(folder).join("backups");
                write!(f, "The data in {} can not be opened: {why}. ", folder.display())?;
                write!(
                    f,
                    "Deckhand does not start with empty data in its place. Backups, once there are any, are in {}: ",
                    backups.display()
                )?;
                write!(f, "move {} away, and run `deckhand restore FILE` with the newest.", folder.display())
            }
            OpenError::Newer { folder, found } => {
                write!(f, "The data in {} was written by a newer Deckhand ", folder.display())?;
                write!(f, "(format {found}; this one knows {FORMAT}). It was not touched. Start the newer one.")
            }
            OpenError::Denied { path } => {
                write!(f, "This user may not read and write {}. ", path.display())?;
                write!(f, "Nothing was touched. Start Deckhand as the user who owns it, or change its owner.")
            }
            OpenError::Disk { folder, error } => {
                write!(f, "The data in {} can not be opened: {error}. ", folder.display())?;
                write!(f, "It was not replaced. Look at the disk and its room, and start Deckhand again.")
            }
        }
    }
}

impl std::error::Error for OpenError {}

impl OpenError {
    pub(super) fn damaged(folder: &Path, why: impl Into<String>) -> OpenError {
        OpenError::Damaged { folder: folder.to_owned(), why: why.into() }
    }

    pub(super) fn from_io(path: &Path, error: io::Error) -> OpenError {
        match error.kind() {
            io::ErrorKind::PermissionDenied => OpenError::Denied { path: path.to_owned() },
            _ => OpenError::Disk { folder: path.to_owned(), error },
        }
    }
}

/// A folder that this process alone has, until this is dropped.
pub(super) struct Folder {
    path: PathBuf,
    lock: File,
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Closing the file is not enough: a program that is being started at this moment has a copy of it until it is
        // another program, and with it the lock.
        let _ = self.lock.unlock();
    }
}

impl Folder {
    /// Takes the folder, and creates it when it is not there.
    pub(super) fn take(path: &Path) -> Result<Folder, OpenError> {
        let failed = |error| OpenError::from_io(path, error);
        if !path.exists() {
            create_private(path).map_err(failed)?;
        }
        let at = path.join("lock");
        let mut lock = File::options().create(true).truncate(false).read(true).write(true).open(&at).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let pid = lock.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                return Err(OpenError::InUse { folder: path.to_owned(), pid });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // The number is only for the message of whoever comes second: the lock is the kernel's.
        lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id())).map_err(failed)?;
        Ok(Folder { path: path.to_owned(), lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What an earlier start has written down about the database; nothing when there is none yet.
    pub(super) fn mark(&self) -> Result<Option<Mark>, OpenError> {
        let text = match fs::read_to_string(self.path.join(Mark::FILE)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(OpenError::from_io(&self.path, error)),
        };
        let number = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
        match (number("format "), number("revision ")) {
            (Some(found), _) if found > u64::from(FORMAT) => {
                Err(OpenError::Newer { folder: self.path.clone(), found: u32::try_from(found).unwrap_or(u32::MAX) })
            }
            (Some(_), Some(revision)) => Ok(Some(Mark { revision })),
            _ => Err(OpenError::damaged(&self.path, format!("the file `{}` in it is not readable", Mark::FILE))),
        }
    }

    /// Writes down that there is a database, and how far it has come at least.
    pub(super) fn set_mark(&self, mark: &Mark) -> io::Result<()> {
        let (to, new) = (self.path.join(Mark::FILE), self.path.join("format.new"));
        let mut file = File::create(&new)?;
        writeln!(file, "format {FORMAT}\nrevision {}", mark.revision)?;
        file.sync_all()?;
        fs::rename(&new, &to)?;
        File::open(&self.path)?.sync_all()
    }

    /// Whether there is a log for sled to open.
    pub(super) fn has_db(&self) -> bool {
        fs::metadata(disk::db(&self.path)).is_ok_and(|found| found.len() > 0)
    }

    /// Removes the snapshots that a process was writing when it was killed: sled takes one for a finished snapshot, and
    /// refuses to open. The log has everything that would have been in it.
    pub(super) fn remove_unfinished(&self) -> io::Result<()> {
        for item in fs::read_dir(&self.path)? {
            let item = item?;
            let name = item.file_name().to_string_lossy().into_owned();
            if name.starts_with("snap.") && name.ends_with(".generating") {
                fs::remove_file(item.path())?;
                tracing::warn!(file = name, "removed an unfinished snapshot of the database; nothing is lost with it");
            }
        }
        Ok(())
    }
}

/// What is known about a database without opening it.
pub(super) struct Mark {
    /// A revision that it has reached: one that has less has lost something.
    pub revision: u64,
}

impl Mark {
    const FILE: &str = "format";
}

/// Creates a folder that only its owner can read, and sees to it that it is there after a power cut.
fn create_private(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}
