//! The files in the timeline of an incident: its post-mortem is published with them where somebody has said so, who was shown
//! the name of each. Nobody can tell otherwise what is to be seen in a picture.

use super::document::without_names;
use super::records::Document;
use super::settings::Settings;
use bytes::Bytes;
use commands::cx::Ports;
use commands::reply::{FileRef, picture};
use commands::text;

/// The most files of one post-mortem, so that each can be named, and the most bytes of all of them.
const MOST: usize = 20;
const LARGEST_ALL: usize = 50 << 20;

/// A file, and what is in it.
pub struct Attached {
    /// The file.
    pub file: FileRef,
    /// What is in it.
    pub bytes: Bytes,
}

/// The files that stand in the timeline of a post-mortem's incident, oldest first.
///
/// # Errors
/// When the incident can not be read.
pub async fn all(ports: &Ports, document: &Document) -> anyhow::Result<Vec<FileRef>> {
    let Some(incident) = document.incident else { return Ok(Vec::new()) };
    let account = ports.offered.incident(ports, incident).await?;
    let timeline = account.into_iter().flat_map(|account| account.timeline);
    Ok(timeline.flat_map(|event| event.files).collect())
}

/// These files with what is in them, as many as there is room for. One that is not kept any more is left out.
///
/// # Errors
/// When one can not be read.
pub async fn read(ports: &Ports, files: Vec<FileRef>) -> anyhow::Result<Vec<Attached>> {
    let (mut read, mut size) = (Vec::new(), 0);
    for file in files.into_iter().take(MOST) {
        let Some(bytes) = ports.files.picture(&file.name).await? else { continue };
        size += bytes.len();
        if size > LARGEST_ALL {
            break;
        }
        read.push(Attached { file, bytes });
    }
    Ok(read)
}

/// What somebody is asked before they stand where others read them.
pub fn question(document: &Document, files: &[Attached], whom: &str) -> String {
    let number = document.number;
    let named = named(files.iter().map(|one| &one.file));
    format!(
        "Publish post-mortem #{number} with {}: {named}. {whom} then reads them, and nobody has looked what is to be seen there.",
        text::plural(files.len(), "file")
    )
}

/// The names of files, one after the other.
pub fn named<'a>(files: impl Iterator<Item = &'a FileRef>) -> String {
    files.map(|file| text::code(&file.title)).collect::<Vec<_>>().join(", ")
}

/// What a file is called beside the page: `file-1.png`. What people called it may be anything.
pub fn path(place: usize, file: &FileRef) -> String {
    let ending = file.name.rsplit_once('.').map_or("bin", |(_, ending)| ending);
    format!("file-{place}.{ending}")
}

/// The part of the page about them: pictures, and links to other files, in the folder `beside` it.
pub fn markdown(files: &[Attached], document: &Document, settings: &Settings, beside: &str) -> String {
    if files.is_empty() {
        return String::new();
    }
    let keeps_names = settings.publish.as_ref().is_some_and(|publish| publish.names);
    let mut page = "\n## Files\n".to_owned();
    for (place, Attached { file, .. }) in (1..).zip(files) {
        let title = match keeps_names {
            true => file.title.clone(),
            false => without_names(&file.title, &document.roles, &settings.people),
        };
        let title: String = text::plain(&title).chars().filter(|letter| !"[]()<>`*_\\!".contains(*letter)).collect();
        let mark = if picture(&file.name).is_some() { "!" } else { "" };
        page.push_str(&format!("\n{mark}[{title}]({beside}/{})\n", path(place, file)));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_can_not_break_out() {
        let file = |name: &str| FileRef { title: String::new(), name: name.to_owned(), series: Vec::new() };
        for (name, expected) in
            [("kept-13-1.png", "file-2.png"), ("kept-13-2.txt", "file-2.txt"), ("kept", "file-2.bin")]
        {
            assert_eq!(path(2, &file(name)), expected);
        }
    }
}
