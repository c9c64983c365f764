//! Kept files: the logs of programs, in one folder of the data directory.

use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use bytes::Bytes;
use commands::ports::{Files, KEPT};
use std::io::SeekFrom;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

/// A folder of files with plain names.
pub struct Folder(PathBuf);

impl Folder {
    /// This folder, which is made if it is not there.
    ///
    /// # Errors
    /// When it can not be made.
    pub fn new(path: &Path) -> Result<Folder> {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.with_context(|| format!("the folder {} can not be made", path.display()))?;
        Ok(Folder(path.to_owned()))
    }

    /// Where a file of this name lies.
    ///
    /// # Errors
    /// When the name is not plain: it could lead out of the folder.
    pub fn path(&self, name: &str) -> Result<PathBuf> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || name.len() > 200 || name.starts_with('.') || !name.bytes().all(plain) {
            bail!("{name:?} is not the name of a kept file");
        }
        Ok(self.0.join(name))
    }
}

impl Folder {
    /// Removes the files that nobody has written to since `then`, but for those that stay for good.
    ///
    /// # Errors
    /// When the folder can not be read, or a file not be removed.
    pub fn forget(&self, then: SystemTime) -> Result<()> {
        for entry in std::fs::read_dir(&self.0)? {
            let entry = entry?;
            let stays = entry.file_name().to_str().is_some_and(|name| name.starts_with(KEPT));
            if !stays && entry.metadata()?.modified()? < then {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Files for Folder {
    async fn tail(&self, name: &str, limit: usize) -> Result<Option<String>> {
        let mut file = match tokio::fs::File::open(self.path(name)?).await {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let length = file.metadata().await?.len();
        let skipped = length.saturating_sub(limit as u64);
        file.seek(SeekFrom::Start(skipped)).await?;
        let mut bytes = Vec::new();
        file.take(limit as u64).read_to_end(&mut bytes).await?;
        let text = String::from_utf8_lossy(&bytes);
        let whole = if skipped == 0 { &*text } else { text.split_once('\n').map_or(&*text, |(_, rest)| rest) };
        Ok(Some(whole.to_owned()))
    }

    async fn picture(&self, name: &str) -> Result<Option<Bytes>> {
        match tokio::fs::read(self.path(name)?).await {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn keep_picture(&self, name: &str, bytes: Bytes) -> Result<()> {
        let path = self.path(name)?;
        // Nobody sees half a picture: it gets its name once it is whole. Two may be written at once.
        static WRITTEN: AtomicU64 = AtomicU64::new(0);
        let half = self.path(&format!("half-{}-{name}", WRITTEN.fetch_add(1, Ordering::Relaxed)))?;
        tokio::fs::write(&half, &bytes).await?;
        if !name.starts_with(KEPT) {
            return Ok(tokio::fs::rename(half, path).await?);
        }
        // What stays for good is on the disk before anybody is told that it is kept.
        tokio::fs::File::open(&half).await?.sync_all().await?;
        tokio::fs::rename(half, path).await?;
        Ok(tokio::fs::File::open(&self.0).await?.sync_all().await?)
    }

    async fn keep_text(&self, name: &str, text: String) -> Result<()> {
        self.keep_picture(name, text.into()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_do_not_lead_out_tails_begin_with_a_line_and_old_files_go() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::new(&home.path().join("kept")).unwrap();
        for name in ["", "..", "../secret", "a/b", ".hidden", "a\0b", "/etc/passwd"] {
            assert!(folder.path(name).is_err(), "{name:?}");
        }
        std::fs::write(folder.path("a.log").unwrap(), "first\nsecond\nthird\n").unwrap();
        assert_eq!(folder.tail("a.log", 100).await.unwrap().unwrap(), "first\nsecond\nthird\n");
        assert_eq!(folder.tail("a.log", 10).await.unwrap().unwrap(), "third\n");
        assert_eq!(folder.tail("b.log", 10).await.unwrap(), None);
        folder.keep_picture("a.png", Bytes::from_static(b"first")).await.unwrap();
        folder.keep_picture("a.png", Bytes::from_static(b"second")).await.unwrap();
        assert_eq!(folder.picture("a.png").await.unwrap().unwrap(), "second");
        assert!(folder.keep_picture("../a.png", Bytes::new()).await.is_err());
        folder.forget(SystemTime::now() - std::time::Duration::from_secs(3600)).unwrap();
        assert!(folder.tail("a.log", 10).await.unwrap().is_some());
        folder.keep_picture("kept-7-1.bin", Bytes::from_static(b"\0")).await.unwrap();
        folder.forget(SystemTime::now() + std::time::Duration::from_secs(3600)).unwrap();
        assert_eq!(folder.picture("kept-7-1.bin").await.unwrap().unwrap(), "\0");
        assert_eq!(folder.tail("a.log", 10).await.unwrap(), None);
    }
}
