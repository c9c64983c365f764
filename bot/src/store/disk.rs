//! Getting what sled writes onto the disk, and room for it beforehand.

use anyhow::Context;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// How much room there is to be ahead of every commit, beside what it writes itself: pages that sled rewrites on the way.
const HEADROOM: u64 = 8 * 1024 * 1024;

/// sled's `db` file, opened once more: syncing one handle syncs the file.
pub(super) struct Disk {
    file: File,
    /// Whether this filesystem can set room aside.
    reserves: bool,
}

impl Disk {
    pub(super) fn open(folder: &Path) -> io::Result<Disk> {
        File::options().read(true).write(true).open(db(folder)).map(Disk::on)
    }

    pub(super) fn on(file: File) -> Disk {
        Disk { file, reserves: true }
    }

    /// Makes sure that about `size` bytes can be written. A full disk is found out here, before sled has begun: it could
    /// not take back what it has half done.
    ///
    /// # Errors
    /// When the disk has no room.
    pub(super) fn reserve(&mut self, size: u64) -> anyhow::Result<()> {
        let want = HEADROOM + 4 * size;
        if !self.reserves || self.room_ahead()? >= want {
            return Ok(());
        }
        match allocate(&self.file, want + HEADROOM) {
            Ok(()) => Ok(()),
            Err(error) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                Err(error).context(
                    "The disk is full. Nothing of this was saved. Make room on the disk of the data directory, and repeat it",
                )
            }
            Err(_) => {
                self.reserves = false;
                Ok(())
            }
        }
    }

    /// Waits until everything that sled has written is on the disk. sled's own flush ends in `sync_file_range`, which
    /// leaves the file's new length and the disk's cache as they are.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    #[cfg(unix)]
    fn room_ahead(&self) -> io::Result<u64> {
        use std::os::unix::fs::MetadataExt;
        let found = self.file.metadata()?;
        Ok((found.blocks() * 512).saturating_sub(found.len()))
    }

    #[cfg(not(unix))]
    fn room_ahead(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }
}

/// Where sled keeps its log.
pub(super) fn db(folder: &Path) -> PathBuf {
    folder.join("db")
}

#[cfg(target_os = "linux")]
fn allocate(file: &File, size: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    let end = file.metadata()?.len();
    Ok(fallocate(file, FallocateFlags::KEEP_SIZE, end, size)?)
}

#[cfg(not(target_os = "linux"))]
fn allocate(_: &File, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Puts everything in a database's folder onto the disk, and the folder's own list of files. Before sled opens it, since
/// a killed process may have left what only the machine's memory has, and sled would build a synced snapshot on that;
/// and after, since sled does not sync the files that it creates.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    for item in fs::read_dir(folder)? {
        let path = item?.path();
        if path.is_dir() { sync_folder(&path)? } else { File::open(&path)?.sync_all()? }
    }
    File::open(folder)?.sync_all()
}
