//! A real `sshd` on loopback, with a key of its own for whoever may come in: the targets of the deploy drills.

use crate::program::{until, write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The server; it goes with the drill.
pub struct Sshd {
    folder: tempfile::TempDir,
    address: SocketAddr,
    child: Child,
}

impl Sshd {
    /// Starts one that lets in the user of the drill, by a key.
    ///
    /// # Panics
    /// When there is no `sshd`.
    pub fn start() -> Sshd {
        let folder = tempfile::Builder::new().prefix("sshd-").tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name);
        for key in ["host", "user"] {
            let mut make = Command::new("ssh-keygen");
            make.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path(key));
            let made = make.status().expect("ssh-keygen is missing: run `scripts/setup`");
            assert!(made.success(), "ssh-keygen made no key");
        }
        let probe = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = probe.local_addr().expect("it listens");
        drop(probe);
        std::fs::copy(path("user.pub"), path("authorized")).expect("a key was made");
        std::fs::create_dir(path("home")).expect("a folder");
        let host = std::fs::read_to_string(path("host.pub")).expect("a key was made");
        write(&path("known"), format!("[127.0.0.1]:{} {host}", address.port()));
        let settings = [
            format!("Port {}", address.port()),
            "ListenAddress 127.0.0.1".to_owned(),
            format!("HostKey {}", path("host").display()),
            format!("AuthorizedKeysFile {}", path("authorized").display()),
            "PidFile none".to_owned(),
            // It stands for many hosts, which are reached at once.
            "MaxStartups 200".to_owned(),
            "MaxSessions 200".to_owned(),
            // The folder is a temporary one, which is too open for its taste.
            "StrictModes no".to_owned(),
            "UsePAM no".to_owned(),
            "PasswordAuthentication no".to_owned(),
            "PermitRootLogin prohibit-password".to_owned(),
            "Subsystem sftp internal-sftp".to_owned(),
            // What is left there by one drill is nothing to another.
            format!("SetEnv HOME={}", path("home").display()),
        ];
        write(&path("config"), settings.join("\n") + "\n");
        // As root it wants this folder, which Debian makes when the service starts.
        if rustix::process::geteuid().is_root() {
            std::fs::create_dir_all("/run/sshd").expect("root may make folders");
        }
        let mut sshd = Command::new("/usr/sbin/sshd");
        sshd.args(["-D", "-e", "-f"]).arg(path("config")).stdin(Stdio::null()).stdout(Stdio::null());
        let log = std::fs::File::create(path("log")).expect("a file");
        let child = sshd.stderr(log).spawn().expect("sshd is missing: run `scripts/setup`");
        let server = Sshd { address, child, folder };
        until("sshd listens", || TcpStream::connect(server.address).ok());
        server
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The private key that lets in.
    pub fn key(&self) -> PathBuf {
        let key = self.folder.path().join("user");
        // ssh refuses a key that others may read.
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("it is its own");
        key
    }

    /// The file that knows its host key, and no other.
    pub fn known_hosts(&self) -> PathBuf {
        self.folder.path().join("known")
    }

    /// A folder of this name beside its keys.
    ///
    /// # Panics
    /// When it can not be made.
    pub fn site(&self, name: &str) -> PathBuf {
        let site = self.folder.path().join(name);
        std::fs::create_dir_all(&site).expect("a folder");
        site
    }

    /// What it has to say.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // Ended already is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that `scripts/setup` has installed beside the build.
///
/// # Panics
/// When it is not there.
pub fn peer(name: &str) -> PathBuf {
    let built = crate::program::binary();
    let target = built.parent().and_then(Path::parent).expect("it lies in target/debug");
    let peer = target.join("peers").join(name);
    assert!(peer.exists(), "{} is missing: run `scripts/setup`", peer.display());
    peer
}
