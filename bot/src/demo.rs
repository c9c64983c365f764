//! The demo: a real git repository with four releases of a small page, and two environments that serve what is live.

use anyhow::{Context, Result, bail};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Who says what the demo says by itself, and in which channel.
pub const STAGEHAND: (&str, &str) = ("demo", "releases");

/// The demo's environments, in the order of promotion.
pub const ENVIRONMENTS: [&str; 2] = ["staging", "production"];

const CONFIG: &str = include_str!("demo/deckhand.toml");
/// The programs that the demo's config names.
const SCRIPTS: [(&str, &str); 2] =
    [("deploy.sh", include_str!("demo/deploy.sh")), ("warm-up.sh", include_str!("demo/warm-up.sh"))];
const PAGE: &str = include_str!("demo/index.html");

/// What git replaces when a release is exported: the health page names the commit that it belongs to.
const WELL: &str = "ok $Format:%H$\n";

/// What is wrong with the third release.
const SICK: &str = "can not reach the database\n";

/// What is wrong with the fourth: it is well, and draws so many beans that nobody wants to wait for them.
const BEANS: u32 = 5_000;

/// Where the demo lies.
pub struct Demo {
    folder: PathBuf,
}

impl Demo {
    /// The demo under this data directory, made if it is not there yet.
    ///
    /// # Errors
    /// When git is not there, or the disk refuses.
    pub fn make(data: &Path) -> Result<Demo> {
        let demo = Demo { folder: data.join("demo") };
        for name in ENVIRONMENTS {
            fs::create_dir_all(demo.sites().join(name).join("releases"))
                .context("the demo's folders can not be made")?;
        }
        for (name, text) in SCRIPTS {
            let script = demo.folder.join(name);
            // A shell reads a script as it goes: one that may be running is not written again.
            if !fs::read_to_string(&script).is_ok_and(|there| there == text) {
                fs::write(&script, text)?;
                fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
            }
        }
        let repository = demo.folder.join("hello");
        if !repository.exists() {
            make_repository(&demo.folder.join("hello.new"))?;
            fs::rename(demo.folder.join("hello.new"), repository)?;
        }
        Ok(demo)
    }

    /// What is said on the first start: the lines that put the first release where nothing is live yet.
    pub fn first_lines(&self) -> Vec<String> {
        let bare = ENVIRONMENTS.iter().filter(|name| !self.sites().join(name).join("current").exists());
        bare.map(|name| format!("/deploy ship service:hello env:{name} ref:v1 because:\"the demo's first release\""))
            .collect()
    }

    /// Where the environments' pages lie.
    pub fn sites(&self) -> PathBuf {
        self.folder.join("sites")
    }

    /// The demo's config, for a console that listens there; it stands in the demo's folder for people to read and copy.
    ///
    /// # Errors
    /// When it can not be written.
    pub fn config(&self, listen: SocketAddr) -> Result<PathBuf> {
        let file = self.folder.join("deckhand.toml");
        let mut config = CONFIG.replace("127.0.0.1:7878", &listen.to_string());
        if listen.to_string() != "127.0.0.1:7878" {
            // Of several demos, each finds a port of its own for programs, too.
            config = config.replace("127.0.0.1:7879", "127.0.0.1:0");
        }
        fs::write(&file, config)?;
        Ok(file)
    }
}

fn make_repository(folder: &Path) -> Result<()> {
    if folder.exists() {
        // A start was interrupted while it was being made.
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    git(folder, &["init", "--quiet", "--initial-branch=main"])?;
    fs::write(folder.join(".gitattributes"), "health.txt export-subst\n")?;
    let releases = [
        ("v1", "Good morning.", "#1d4ed8", WELL),
        ("v2", "Good morning, with coffee.", "#047857", WELL),
        ("v3", "Good mo", "#b91c1c", SICK),
        ("v4", "Good morning, with every bean.", "#6d28d9", WELL),
    ];
    for (hour, (tag, greeting, colour, health)) in (9..).zip(releases) {
        let picture = if tag == "v4" { beans() } else { String::new() };
        let page = PAGE.replace("{version}", tag).replace("{greeting}", greeting).replace("{colour}", colour);
        fs::write(folder.join("index.html"), page.replace("{picture}", &picture))?;
        fs::write(folder.join("health.txt"), health)?;
        git(folder, &["add", "--all"])?;
        // A commit's hash is made of its author and time too: these are the same everywhere, and so is the demo.
        let when = format!("2026-03-02T{hour:02}:00:00+0000");
        let author = [("GIT_AUTHOR_DATE", &*when), ("GIT_COMMITTER_DATE", &*when)];
        git_with(folder, &["commit", "--quiet", "--message", &format!("Release {tag}")], &author)?;
        git(folder, &["tag", tag])?;
    }
    Ok(())
}

/// A picture of beans, the same every time.
fn beans() -> String {
    let mut picture = String::from("<svg viewBox=\"0 0 800 300\" fill=\"#451a03\">\n");
    for bean in 0..BEANS {
        // Steps that share no divisor with the width and the height reach every part of it.
        let (x, y) = (bean * 331 % 800, bean * 157 % 300);
        picture += &format!("<ellipse cx=\"{x}\" cy=\"{y}\" rx=\"4\" ry=\"3\"/>\n");
    }
    picture + "</svg>\n"
}

fn git(folder: &Path, arguments: &[&str]) -> Result<()> {
    git_with(folder, arguments, &[])
}

fn git_with(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=Hello Team", "-c", "user.email=hello@example.invalid", "-c", "commit.gpgsign=false"]);
    git.args(["-c", "core.autocrlf=false", "-c", "tag.gpgsign=false", "-C"]).arg(folder).args(arguments);
    // What the user's own git is told to do (hooks, templates, signing) is not for the demo.
    git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").envs(environment.iter().copied());
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        git.env_remove(name);
    }
    let output = git
        .output()
        .context("the demo needs the program `git`, which can not be started: install it, and start Deckhand again")?;
    if !output.status.success() {
        bail!("the demo's repository can not be made: git says {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
