//! Plays every transcript: one file, one test; and once more on Discord and on IRC, where the same things have to be done.

use libtest_mimic::{Arguments, Failed, Trial};
use std::path::{Path, PathBuf};
use tests::stage::transcript;

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts");
    let files =
        std::fs::read_dir(&folder).expect("the folder of the transcripts").filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "md")).collect();
    files.sort();
    let trials = |file: PathBuf| {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let [on_discord, on_irc] = [file.clone(), file.clone()];
        [
            Trial::test(name.clone(), move || play(transcript::check(&file))),
            Trial::test(format!("{name} on discord"), move || play(transcript::check_on_discord(&on_discord))),
            Trial::test(format!("{name} on irc"), move || play(transcript::check_on_irc(&on_irc))),
        ]
    };
    libtest_mimic::run(&Arguments::from_args(), files.into_iter().flat_map(trials).collect()).exit();
}

fn play(transcript: impl Future<Output = anyhow::Result<()>>) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    runtime.block_on(transcript).map_err(|error| format!("{error:#}").into())
}
